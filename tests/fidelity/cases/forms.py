"""Form fields in all their states."""

# ruff: noqa: E501 (pages and scripts stay as they are)

from playwright.sync_api import FilePayload, Page

from tests.fidelity.case import Case, group

BIG = "<style>input, select, textarea, button, output { font-size: 40px; margin: 4px }</style>"
TICKS = "<style>input { width: 80px; height: 80px; margin: 4px }</style>"
LINES = "\n".join(f"line {n}" for n in range(40))


def away(page: Page) -> None:
    """The browser's own look of a control under the mouse is a case of its own."""
    page.mouse.move(599, 399)


def types_and_ticks(page: Page) -> None:
    page.click("#t")
    page.keyboard.type("typed text")
    page.check("#c")
    page.check("#r2")
    away(page)


def drags_range(page: Page) -> None:
    page.focus("#r")
    for _ in range(20):
        page.keyboard.press("ArrowRight")
    page.evaluate("document.activeElement.blur()")


CASES = (
    *group(
        "Forms",
        Case(
            "a visitor types and ticks",
            f"""{BIG}<input id=t><br><input type=checkbox id=c style="zoom: 3"><input type=radio name=r
            id=r1 checked style="zoom: 3"><input type=radio name=r id=r2 style="zoom: 3">""",
            act=types_and_ticks,
        ),
        Case(
            "values set by script",
            f"{BIG}<input id=a value=one><textarea id=b>two</textarea><input type=number id=c>",
            act="a.value = 'changed'; b.value = 'changed too'; c.value = 42",
        ),
        Case(
            "values set before the session",
            f"{BIG}<input id=a value=one><textarea id=b>two</textarea><select id=c><option>a<option>b</select>",
            before="a.value = 'changed'; b.value = 'changed too'; c.value = 'b'",
        ),
        Case(
            "boxes ticked by script",
            f"{TICKS}<input type=checkbox id=a><input type=checkbox id=b checked><input type=radio name=x id=c>",
            act="a.checked = true; b.checked = false; c.checked = true",
        ),
        Case(
            "radio buttons of two forms",
            f"""{TICKS}<form><input type=radio name=x checked><input type=radio name=x id=a></form>
            <form><input type=radio name=x checked><input type=radio name=x></form>""",
            act=lambda page: (page.check("#a"), away(page)),
        ),
        Case(
            "an indeterminate box",
            f"{TICKS}<input type=checkbox id=a><input type=checkbox id=b checked>",
            before="b.indeterminate = true",
            act="a.indeterminate = true",
            listed=True,
        ),
        Case(
            "an indeterminate box is clicked",
            f"{TICKS}<input type=checkbox id=a>",
            before="a.indeterminate = true",
            act=lambda page: (page.click("#a"), away(page)),
            listed=True,
        ),
        Case(
            "a progress bar without an end",
            """<style>progress:indeterminate { outline: 20px solid gold } progress { width: 300px; margin: 30px;
            height: 80px; border: 0 }</style><progress id=a value=1 max=2></progress><progress></progress>""",
            act="a.removeAttribute('value')",
        ),
        Case(
            "form.reset()",
            f"""{BIG}<form id=f><input id=a value=first><textarea id=b>first</textarea>
            <select id=s><option>a<option selected>b<option>c</select>
            <input type=checkbox id=c checked style="zoom: 3"></form>""",
            before="a.value = b.value = 'changed'; s.value = 'c'; c.checked = false",
            act="f.reset()",
            listed=True,
        ),
        Case(
            "a reset button is clicked",
            f"{BIG}<form><input id=a value=first><button type=reset id=r>back</button></form>",
            act=lambda page: (
                page.fill("#a", "changed"),
                page.click("#r"),
                page.evaluate("r.remove()"),
            ),
            listed=True,
        ),
        Case(
            "a select of one",
            f"{BIG}<select id=s><option>alpha<option>beta<option>gamma</select>",
            act=lambda page: page.select_option("#s", "gamma"),
        ),
        Case(
            "a select of many",
            f"""{BIG}<select id=s multiple size=5><option>alpha<option selected>beta<option>gamma
            <option>delta</select>""",
            act=lambda page: page.select_option("#s", ["alpha", "gamma"]),
            listed=True,
        ),
        Case(
            "a select of many set by script",
            f"{BIG}<select id=s multiple size=5><option>alpha<option selected>beta<option>gamma</select>",
            act="s.options[0].selected = true; s.options[2].selected = true",
            listed=True,
        ),
        Case(
            "options in groups, added and disabled",
            f"""{BIG}<select id=s size=8><optgroup label=first id=g><option>a</optgroup>
            <optgroup label=second disabled><option>b</optgroup></select>""",
            act="g.append(new Option('added', 'x', false, true)); g.label = 'changed'; s.options[0].disabled = true",
        ),
        Case(
            "a select's options are replaced",
            f"{BIG}<select id=s><option>alpha<option>beta</select>",
            act="s.replaceChildren(new Option('one'), new Option('two'), new Option('three')); s.selectedIndex = 2",
        ),
        Case(
            "nothing is selected",
            f"{BIG}<select id=s><option>alpha<option>beta</select>",
            act="s.selectedIndex = -1",
        ),
        Case(
            "the label of a chosen file",
            f"{BIG}<input type=file id=f>",
            act=lambda page: page.set_input_files(
                "#f", {"name": "report.pdf", "mimeType": "application/pdf", "buffer": b"x"}
            ),
            listed=True,
            why="Names of files never leave.",
        ),
        Case(
            "several chosen files",
            f"{BIG}<input type=file id=f multiple>",
            act=lambda page: page.set_input_files(
                "#f",
                [FilePayload(name=f"{n}.txt", mimeType="text/plain", buffer=b"x") for n in "abc"],
            ),
            listed=True,
            why="Names of files never leave.",
        ),
        Case(
            "a range is moved",
            "<input type=range id=r min=0 max=40 value=5 style='width: 500px; zoom: 2'>",
            act=drags_range,
        ),
        Case(
            "dates and times",
            f"{BIG}<input type=date id=a><br><input type=time id=b><br><input type=month id=c>",
            act="a.value = '2024-02-29'; b.value = '13:37'; c.value = '2031-12'",
        ),
        Case(
            "a colour is chosen",
            "<input type=color id=a value=#ff0000 style='width: 300px; height: 200px'>",
            act="a.value = '#0000ff'",
        ),
        Case(
            "meter, progress and output",
            """<style>meter, progress { width: 400px; height: 60px } output { font-size: 60px }</style>
            <meter id=m min=0 max=10 value=9></meter><progress id=p max=10 value=2></progress>
            <br><output id=o>x</output>""",
            act="m.value = 2; m.low = 3; p.value = 8; o.value = 'done'",
        ),
        Case(
            "disabled, read-only and required",
            f"""{BIG}<style>:disabled {{ background: gray }} :read-only {{ border: 10px solid gold }}
            :required {{ outline: 10px solid red; outline-offset: -10px }}</style>
            <fieldset id=f><input id=a value=x><input id=b value=x><input id=c value=x></fieldset>
            <button id=d>button</button>""",
            act="a.readOnly = true; b.required = true; c.disabled = d.disabled = true",
        ),
        Case(
            "a fieldset is disabled",
            f"""{BIG}<style>:disabled {{ background: gold }}</style><fieldset id=f><legend><input value=in></legend>
            <input value=x><button>b</button></fieldset>""",
            act="f.disabled = true",
        ),
        Case(
            "invalid fields",
            f"{BIG}<style>:invalid {{ background: tomato }} :valid {{ background: lime }}</style>"
            "<form><input id=a type=email value=a@b.test><input id=b required><input id=c pattern=x value=x></form>",
            act="a.value = 'no mail'; b.value = 'there'; c.value = 'y'",
        ),
        Case(
            "a field with an error of its own",
            f"{BIG}<style>:invalid {{ background: tomato }}</style><input id=a value=x>",
            act="a.setCustomValidity('no')",
        ),
        Case(
            "invalid once the visitor has been there",
            f"""{BIG}<style>:user-invalid {{ background: tomato }} :user-valid {{ background: lime }}</style>
            <input id=a type=email><br><input id=b>""",
            act=lambda page: (
                page.click("#a"),
                page.keyboard.type("no mail"),
                page.click("#b"),
                page.evaluate("document.activeElement.blur()"),
            ),
        ),  # fmt: skip
        Case(
            "placeholders",
            f"""{BIG}<style>:placeholder-shown {{ background: gold }} ::placeholder {{ color: red }}</style>
            <input id=a placeholder=write><input id=b placeholder=gone value=x><textarea placeholder=text></textarea>""",
            act="a.value = 'written'; b.value = ''; b.placeholder = 'back again'",
        ),
        Case(
            "the default button and the checked of a group",
            """<style>:checked + b { background: gold; font-size: 60px } :default { outline: 20px solid red;
            zoom: 3; margin: 20px } form:has(:checked) { background: teal }</style><form>
            <input type=radio name=r id=a checked><b>a</b><input type=radio name=r id=b><b>b</b></form>""",
            act=lambda page: (page.check("#b"), away(page)),
        ),
        Case(
            "a native control under the mouse",
            "<input type=checkbox checked id=a style='width: 200px; height: 200px'>",
            act=lambda page: page.hover("#a"),
            why="Browsers draw their own controls another way under the mouse, which no page can ask for.",
        ),
        Case(
            "a field's type changes",
            f"{BIG}<input id=a value=5 type=number><input id=b value=x>",
            act="a.type = 'range'; b.type = 'button'; b.value = 'press'",
        ),
        Case(
            "text is pasted and deleted",
            f"{BIG}<textarea id=a rows=3>some text</textarea>",
            act=lambda page: (
                page.click("#a"),
                page.keyboard.press("Control+a"),
                page.keyboard.press("Delete"),
                page.keyboard.insert_text("pasted\nlines"),
                page.evaluate("a.blur()"),
            ),
        ),  # fmt: skip
        Case(
            "a field as large as its content",
            f"{BIG}<style>textarea, input {{ field-sizing: content; background: gold }}</style>"
            "<textarea id=a>x</textarea><br><input id=b value=x>",
            act="a.value = 'much longer\\nand more'; b.value = 'very much longer'",
        ),
        Case(
            "a textarea is resized",
            "<textarea id=a style='background: gold'>x</textarea>",
            act=lambda page: (
                page.mouse.move(*_corner(page)),
                page.mouse.down(),
                page.mouse.move(400, 300),
                page.mouse.up(),
            ),
        ),  # fmt: skip
        Case(
            "editable content is typed into",
            "<div id=a contenteditable style='font-size: 40px; line-height: 50px'><b>edit</b> me</div>",
            act=lambda page: (
                page.click("#a"),
                page.keyboard.press("Control+End"),
                page.keyboard.type(" and more"),
                page.keyboard.press("Enter"),
                page.keyboard.press("Control+b"),
                page.keyboard.type("second"),
                page.evaluate("document.activeElement.blur()"),
            ),
        ),  # fmt: skip
    ),
    *group(
        "Open selects",
        Case(
            "a native select is open",
            f"{BIG}<select id=s>{''.join(f'<option>option {n}' for n in range(9))}</select>",
            act=lambda page: (page.focus("#s"), page.keyboard.press("Alt+ArrowDown")),
            why="The list is drawn over the copy, but not as every browser draws it.",
        ),
        Case(
            "a select styled by the page is open",
            """<style>select, ::picker(select) { appearance: base-select } select { font-size: 40px }
            option { background: gold; height: 60px }</style>
            <select id=s><option>alpha<option>beta<option>gamma</select>""",
            act=lambda page: (page.click("#s"), away(page)),
            why="A list that the page styles itself opens only for who clicks it.",
        ),
    ),
)


def _corner(page: Page) -> tuple[float, float]:
    box = page.locator("#a").bounding_box()
    assert box
    return box["x"] + box["width"] - 4, box["y"] + box["height"] - 4
