import type { Prng } from '@mm-lab/mm-core';

/** Share of the operations that a run leaves in. */
const KEPT_SHARE = 0.65;
/** Weights differ by up to this power of two. */
const WEIGHT_OCTAVES = 5;

/** Something with a name that may be drawn. */
export interface Choice {
  readonly name: string;
  /** Drawn in every run, however the swarm falls. */
  readonly always?: boolean;
  /** How often it is drawn before the swarm weights it, against 1. */
  readonly weight?: number;
}

/**
 * Swarm testing (Groce et al., "Swarm Testing", 2012): a run that can do everything does most
 * things seldom, so each run leaves out some operations altogether and weights the rest wildly.
 */
export class Swarm<T extends Choice> {
  private readonly kept: { readonly choice: T; readonly upTo: number }[] = [];
  private total = 0;

  constructor(
    private readonly random: Prng,
    choices: readonly T[],
  ) {
    for (const choice of choices) {
      const weight = (choice.weight ?? 1) * 2 ** (random.unit() * WEIGHT_OCTAVES);
      if (!random.chance(KEPT_SHARE) && choice.always !== true) continue;
      this.total += weight;
      this.kept.push({ choice, upTo: this.total });
    }
  }

  /** Names of the operations that this run has. */
  names(): string[] {
    return this.kept.map(({ choice }) => choice.name);
  }

  draw(): T {
    const at = this.random.unit() * this.total;
    const found = this.kept.find(({ upTo }) => at < upTo) ?? this.kept[0];
    if (found === undefined) throw new RangeError('a swarm needs at least one operation');
    return found.choice;
  }
}
