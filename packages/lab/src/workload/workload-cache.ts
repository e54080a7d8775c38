import { type FileProgress, type LoadOptions, loadWorkload } from './load-workload.js';
import type { LoadedWorkload } from './loaded-workload.js';
import type { WorkloadSpec } from './workload-spec.js';

/** Enough for a search that goes back and forth between a few traces. */
const WORKLOADS_MAX = 4;

/**
 * Workloads by their description, the latest few: `figures` may play another one at every point.
 * Made-up contents are only a description, so points that differ in them share one trace.
 */
export class WorkloadCache {
  private readonly loaded = new Map<string, Promise<LoadedWorkload>>();

  constructor(private readonly options: LoadOptions) {}

  async get(
    spec: WorkloadSpec,
    onProgress?: (progress: FileProgress) => void,
  ): Promise<LoadedWorkload> {
    const { contents } = spec;
    const key = JSON.stringify({ ...spec, contents: contents !== undefined });
    const loading = this.loaded.get(key) ?? loadWorkload(spec, { ...this.options, onProgress });
    this.loaded.delete(key);
    this.loaded.set(key, loading);
    const [oldest] = this.loaded.keys();
    if (this.loaded.size > WORKLOADS_MAX && oldest !== undefined) this.loaded.delete(oldest);
    return { ...(await loading), contents };
  }
}
