/** The words of a command, read as the driver's sscanf reads them. */
export class Words {
  private readonly words: readonly string[];

  constructor(text: string) {
    this.words = text.trim().split(/\s+/);
  }

  get verb(): string {
    return this.words[0] ?? '';
  }

  /** The number at a place behind the verb, with its prefix; a missing one is the default. */
  int(at: number, otherwise = 0): number {
    const value = Number(this.words[at]);
    return Number.isInteger(value) ? value : otherwise;
  }

  text(at: number): string {
    return this.words[at] ?? '';
  }
}
