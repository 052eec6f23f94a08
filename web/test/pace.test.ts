import assert from "node:assert/strict";
import { test } from "node:test";
import { Budget } from "../src/agent/pace";

test("what comes now and then is not held", () => {
  const budget = new Budget();
  for (let now = 0; now < 10_000; now += 40) {
    assert.equal(budget.wait(now), 0);
    budget.spend(3, now);
  }
});

test("what never rests is held, and costs no more than its share of the time", () => {
  const budget = new Budget();
  let [now, busy] = [0, 0];
  while (now < 60_000) {
    budget.spend(6, now);
    busy += 6;
    now += Math.max(20, budget.wait(now));
  }
  assert.ok(busy / now > 0.07 && busy / now < 0.09, `${busy / now}`);
});

test("one long change holds the next for a while at most", () => {
  const budget = new Budget();
  budget.spend(5_000, 0);
  assert.ok(Math.abs(budget.wait(0) - 150) < 1e-9);
  assert.equal(budget.wait(151), 0);
});
