// What scripts do to animations. Those of style sheets run in the copy by themselves; where they stand,
// and what element.animate() has begun, no mutation tells.
import type { Animated, Op } from "../ops";
import type { Numbers } from "./numbers";
import type { Privacy } from "./privacy";

/** So far apart they may be before the copy is set right. */
const TOLERANCE_MS = 60;
const MAX_ANIMATIONS = 300;
const MAX_KEYFRAMES = 200;

interface Known {
  key: string;
  number: number;
  pseudo: string;
  time: number;
  at: number;
  rate: number;
  state: string;
}

export class Animations {
  private known = new Map<Animation, Known>();
  private made = 0;
  private isFirst = true;

  constructor(
    private readonly numbers: Numbers,
    private readonly privacy: Privacy,
    private readonly roots: () => Iterable<Document | ShadowRoot>,
    private readonly op: (op: Op, about?: string) => void,
  ) {}

  reset(): void {
    this.known = new Map();
    this.isFirst = true;
  }

  sweep(): void {
    const gone = new Set(this.known.keys());
    for (const root of this.roots()) {
      if (typeof root.getAnimations !== "function") continue;
      for (const animation of root.getAnimations().slice(0, MAX_ANIMATIONS)) {
        gone.delete(animation);
        this.look(animation);
      }
    }
    for (const animation of gone) {
      const known = this.known.get(animation);
      this.known.delete(animation);
      // Those of style sheets end by themselves.
      if (known?.key.startsWith("#") && this.numbers.of(targetOf(animation)) === known.number) {
        this.op(["animate", known.number, known.pseudo, known.key, null]);
      }
    }
    this.isFirst = false;
  }

  private look(animation: Animation): void {
    const target = targetOf(animation);
    const number = this.numbers.of(target);
    const time = animation.currentTime;
    if (!target || !number || typeof time !== "number" || this.privacy.isHidden(target)) return;
    const { playState: state, playbackRate: rate } = animation;
    const now = performance.now();
    const known = this.known.get(animation);
    if (known?.number === number) {
      const expected = known.time + (known.state === "running" ? (now - known.at) * known.rate : 0);
      const isSame = known.state === state && known.rate === rate;
      if (isSame && Math.abs(expected - time) < TOLERANCE_MS) return;
      if (isSame && state === "finished") return;
    }
    const effect = animation.effect as KeyframeEffect;
    const pseudo = effect.pseudoElement ?? "";
    const key = known?.key ?? this.keyOf(animation);
    if (!key) return;
    this.known.set(animation, { key, number, pseudo, time, at: now, rate, state });
    const animated: Animated = { time, rate, state };
    if (key.startsWith("#") && known?.number !== number) {
      const keyframes = effect.getKeyframes().slice(0, MAX_KEYFRAMES);
      animated.keyframes = keyframes.map((keyframe) => plain(keyframe));
      const { iterations, duration, ...timing } = effect.getTiming();
      animated.timing = {
        ...timing,
        // JSON has no infinity.
        iterations: iterations === Number.POSITIVE_INFINITY ? -1 : (iterations ?? 1),
        duration: typeof duration === "number" ? duration : 0,
      };
    }
    this.op(["animate", number, pseudo, key, animated]);
  }

  /** By their names in the page; a number where the copy has to make it. "" for none of these. */
  private keyOf(animation: Animation): string {
    const { animationName, transitionProperty } = animation as CSSAnimation & CSSTransition;
    if (animationName) return `@${animationName}`;
    // The copy makes its own transition when it sees the change; it has not seen an earlier one.
    if (transitionProperty && !this.isFirst && animation.playState === "running") return "";
    return `#${this.made++}`;
  }
}

function targetOf({ effect }: Animation): Element | null {
  return (effect as KeyframeEffect | null)?.target ?? null;
}

/** A keyframe without what could be words or addresses. */
function plain(keyframe: ComputedKeyframe): Keyframe {
  const out: Keyframe = {};
  for (const [name, value] of Object.entries(keyframe)) {
    if (name === "content" || name.startsWith("--") || name === "computedOffset") continue;
    if (typeof value !== "string" || !/["'\\]|url\(/i.test(value)) out[name] = value ?? null;
  }
  return out;
}
