// Animations in the copy: those of style sheets are set right, those of scripts are made again.
import type { Animated } from "../ops";

export class Moves {
  private readonly made = new Map<string, Animation>();

  /** key: as in Op. animated null: it is gone. */
  apply(element: Element, pseudo: string, key: string, animated: Animated | null): void {
    if (!animated) {
      this.made.get(key)?.cancel();
      this.made.delete(key);
      return;
    }
    const found = key.startsWith("@") ? byName(element, pseudo, key.slice(1)) : this.made.get(key);
    try {
      const animation = found ?? this.make(element, pseudo, key, animated);
      if (!animation) return;
      animation.playbackRate = animated.rate;
      if (animated.state === "running") animation.play();
      else if (animated.state === "paused") animation.pause();
      animation.currentTime = animated.time;
    } catch {
      // a value that this browser does not know
    }
  }

  private make(
    element: Element,
    pseudo: string,
    key: string,
    { keyframes, timing }: Animated,
  ): Animation | undefined {
    if (!keyframes || !timing) return undefined;
    const { iterations = 1 } = timing;
    const animation = element.animate(keyframes, {
      ...timing,
      iterations: iterations < 0 ? Number.POSITIVE_INFINITY : iterations,
      ...(pseudo && { pseudoElement: pseudo }),
    });
    this.made.set(key, animation);
    return animation;
  }
}

function byName(element: Element, pseudo: string, name: string): Animation | undefined {
  return element.getAnimations({ subtree: true }).find((animation) => {
    const effect = animation.effect as KeyframeEffect | null;
    return (
      (animation as CSSAnimation).animationName === name &&
      effect?.target === element &&
      (effect.pseudoElement ?? "") === pseudo
    );
  });
}
