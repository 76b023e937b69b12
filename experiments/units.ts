/** Resumable work: every unit writes one JSON file, and one that is there is not done again. */
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';

export class Results {
  readonly directory: string;

  constructor(directory: string) {
    this.directory = directory;
  }

  async get<T>(name: string): Promise<T | undefined> {
    const file = this.#file(name);
    return existsSync(file) ? (JSON.parse(await readFile(file, 'utf8')) as T) : undefined;
  }

  /** The result of `work`, from the file where there is one. */
  async unit<T extends object>(name: string, work: () => Promise<T>): Promise<T> {
    const known = await this.get<T>(name);
    if (known !== undefined) return known;
    const begun = performance.now();
    const result = await work();
    await mkdir(this.directory, { recursive: true });
    const file = this.#file(name);
    await writeFile(`${file}.partial`, `${JSON.stringify(result, null, 1)}\n`);
    await rename(`${file}.partial`, file);
    console.log(`${name}: ${((performance.now() - begun) / 1000).toFixed(1)} s`);
    return result;
  }

  #file(name: string): string {
    return path.join(this.directory, `${name}.json`);
  }
}

/** Seconds by the clock, and of the processor: the second hardly suffers from what else runs on the machine. */
export interface Seconds {
  readonly wall: number;
  readonly cpu: number;
}

/** Gives the time since it was last asked. */
export function stopwatch(): () => Seconds {
  let wall = performance.now();
  let cpu = process.cpuUsage();
  return () => {
    const [now, used] = [performance.now(), process.cpuUsage(cpu)];
    const passed = { wall: (now - wall) / 1000, cpu: (used.user + used.system) / 1e6 };
    wall = now;
    cpu = process.cpuUsage();
    return passed;
  };
}

export const add = (a: Seconds, b: Seconds): Seconds => ({ wall: a.wall + b.wall, cpu: a.cpu + b.cpu });

export const NO_TIME: Seconds = { wall: 0, cpu: 0 };
