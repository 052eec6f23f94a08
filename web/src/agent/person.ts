// Who the visitor is, and how well that is known.
import type { KnownPerson, Level } from "../wire";

const LEVELS: Record<Level, string> = {
  signed: "verified",
  cookie: "by cookie",
  claimed: "claimed",
};
const FIELDS = { name: "Name", visitorid: "Id", email: "Mail", phone: "Phone" } as const;
type Field = keyof typeof FIELDS;

/** The name, or else the id, with its level; the rest in the title. */
export function showPerson(place: HTMLElement, person: KnownPerson): void {
  const field = person.name ? "name" : "visitorid";
  const value = person[field];
  const level = person.levels?.[field] ?? "claimed";
  place.replaceChildren(value || "–");
  place.title = describe(person);
  if (!value) return;
  const badge = document.createElement("span");
  badge.className = `level ${level}`;
  badge.textContent = LEVELS[level];
  place.append(" ", badge);
}

/** One line for each value. */
function describe(person: KnownPerson): string {
  const lines: string[] = [];
  for (const [field, label] of Object.entries(FIELDS)) {
    const value = person[field as Field];
    if (!value) continue;
    lines.push(`${label}: ${value} (${LEVELS[person.levels?.[field as Field] ?? "claimed"]})`);
  }
  return lines.join("\n");
}
