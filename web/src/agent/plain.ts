// The pages without a session: the login form, and what is wrong with a request.
import { hideCredential } from "./socket";

hideCredential();
const [first] = document.querySelectorAll<HTMLInputElement>("input:not([type=hidden])");
const empty = [...document.querySelectorAll<HTMLInputElement>("input")].find(
  ({ type, value }) => type !== "hidden" && !value,
);
(empty ?? first)?.focus();
