/** Something that takes a while and can say how far it is. */
export interface Task {
  readonly title: string;
  /**
   * `report` shows a line beside the title; it may be called often. The result is the line that
   * stays.
   */
  run(report: (line: string) => void): Promise<string>;
}

/** Tasks one after the other, or as many at once as `parallel` says. */
export interface TaskGroup {
  readonly tasks: readonly Task[];
  readonly parallel: number;
}

/** Runs groups of tasks in order and shows how they go. The first failure ends everything. */
export type TaskDisplay = (groups: readonly TaskGroup[]) => Promise<void>;
