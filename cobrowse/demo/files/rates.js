// Written in 2004, still running: rewrites the table all the time.
(function () {
  var names = ["USD", "GBP", "NOK", "JPY", "CHF"];
  var rates = [1.0834, 0.8412, 11.412, 163.27, 0.9391];
  var table = document.getElementById("rates");
  var ticks = 0;
  function cell(row, text, style) {
    var made = row.insertCell(-1);
    made.appendChild(document.createTextNode(text));
    if (style) made.className = style;
  }
  function draw() {
    var i, change, row;
    while (table.rows.length > 1) table.deleteRow(1);
    for (i = 0; i < names.length; i++) {
      change = (Math.random() - 0.5) / 100;
      rates[i] = rates[i] * (1 + change);
      row = table.insertRow(-1);
      cell(row, names[i]);
      cell(row, rates[i].toFixed(4));
      cell(row, (change * 100).toFixed(2) + " %", change < 0 ? "down" : "up");
    }
    ticks = ticks + 1;
    document.getElementById("ticks").innerHTML = ticks;
  }
  draw();
  window.setInterval(draw, 400);
})();
