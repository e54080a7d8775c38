/**
 * Which anonymous memory belongs together (struct anon_vma): only its identity and whether it came
 * by fork matter here, as the reverse map is exact (`Rmap`).
 */
export class AnonVma {
  constructor(
    /** Made for the child of a fork, so its chain has more than one link: see `anonVmasAgree`. */
    readonly isForked: boolean,
  ) {}
}

/**
 * May areas with these be one (mm/vma.c:is_mergeable_anon_vma)? They are the same, or only one has
 * any and that one is not a fork child's.
 */
export function anonVmasAgree(a: AnonVma | null, b: AnonVma | null): boolean {
  if (a === b) return true;
  if (a !== null && b !== null) return false;
  return (a ?? b)?.isForked === false;
}
