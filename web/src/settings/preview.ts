// In the preview's frame, which has no origin: the button, and the terms when the address asks for them.
interface Asked {
  showButton(shown: boolean): void;
  showTerms(params: object): void;
}

const { GLANCE } = window as { GLANCE?: { Cobrowse?: { Visitor?: Asked } } };
const visitor = GLANCE?.Cobrowse?.Visitor;

// In a frame nothing of ours is shown before somebody asks for it.
visitor?.showButton(true);
addEventListener("hashchange", () => visitor?.showTerms({}));
