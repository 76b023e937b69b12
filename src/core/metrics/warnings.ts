/** More than this per file help nobody. */
const MAX_WARNINGS = 10;

/** The sentences about one log file, each with file and line, counted instead of repeated when there are many. */
export class Warnings {
  readonly #path: string;
  #given = 0;
  #pending: string[] = [];

  constructor(path: string) {
    this.#path = path;
  }

  add(line: number, what: string): void {
    this.#given += 1;
    if (this.#given < MAX_WARNINGS) this.#pending.push(`${this.#path}, line ${line}: ${what}`);
    else if (this.#given === MAX_WARNINGS) {
      this.#pending.push(`${this.#path}: from line ${line} on, more lines could not be read.`);
    }
  }

  reset(): void {
    this.#given = 0;
    this.#pending = [];
  }

  /** Those since the last call. */
  take(): string[] {
    const pending = this.#pending;
    this.#pending = [];
    return pending;
  }
}
