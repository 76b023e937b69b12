/** More than this per file help nobody. */
const MAX_WARNINGS = 10;

/** The sentences about one log file, each with file and line (or byte), counted instead of repeated when there are many. */
export class Warnings {
  readonly #path: string;
  readonly #unit: 'line' | 'byte';
  #given = 0;
  #pending: string[] = [];

  constructor(path: string, unit: 'line' | 'byte' = 'line') {
    this.#path = path;
    this.#unit = unit;
  }

  add(place: number, what: string): void {
    this.#given += 1;
    if (this.#given < MAX_WARNINGS) this.#pending.push(`${this.#path}, ${this.#unit} ${place}: ${what}`);
    else if (this.#given === MAX_WARNINGS) {
      this.#pending.push(
        `${this.#path}: from ${this.#unit} ${place} on, more ${this.#unit === 'line' ? 'lines' : 'records'} could not be read.`,
      );
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
