/** How often the driver's callbacks were called since they were last zeroed. */
export class Counters {
  free = 0;
  splitNew = 0;
  splitLast = 0;
  migrateToCalls = 0;
  migrateToFolios = 0;
  migrated = 0;
  fault = 0;
  policy = 0;
  memoryFailure = 0;
  flush = 0;
  flushSecond = 0;

  /** @param deferred folios that the driver keeps */
  text(deferred: number): string {
    const fields = [
      `free=${this.free}`,
      `split=${this.splitNew}+${this.splitLast}`,
      `to=${this.migrateToCalls}/${this.migrateToFolios}`,
      `mig=${this.migrated}`,
      `fault=${this.fault}`,
      `policy=${this.policy > 0 ? 'called' : '0'}`,
      `mf=${this.memoryFailure}`,
      `flush=${this.flush}`,
      `second=${this.flushSecond}`,
      `deferred=${deferred}`,
    ];
    return fields.join(' ');
  }
}
