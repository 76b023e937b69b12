/** Numbers that grow at the end in place. What is there already is copied only when room runs out. */
export class Column {
  #numbers: Float64Array;
  #length = 0;
  #view: Float64Array | undefined;

  constructor(capacity = 0) {
    this.#numbers = new Float64Array(capacity);
  }

  get length(): number {
    return this.#length;
  }
  /** The numbers themselves, not a copy: valid until the next change. */
  get view(): Float64Array {
    return (this.#view ??= this.#numbers.subarray(0, this.#length));
  }
  get bytes(): number {
    return this.#numbers.byteLength;
  }

  at(index: number): number {
    return this.#numbers[index]!;
  }

  /**
   * Replaces everything from `from` (at most the length) on.
   * @param total numbers that there will be soon: with that, room is made once.
   */
  put(from: number, numbers: Float64Array, total = 0): void {
    const length = from + numbers.length;
    // What arrives whole is kept as it is.
    if (this.#numbers.length === 0 && length >= total) this.#numbers = numbers;
    this.reserve(Math.max(length, total));
    this.#numbers.set(numbers, from);
    this.#length = length;
    this.#view = undefined;
  }

  /** Makes it this long and gives all of it, to be filled in from the old length on. */
  extend(length: number, total = 0): Float64Array {
    this.reserve(Math.max(length, total));
    this.#length = length;
    this.#view = undefined;
    return this.view;
  }

  push(number: number): void {
    this.reserve(this.#length + 1);
    this.#numbers[this.#length++] = number;
    this.#view = undefined;
  }

  /** Forgets what is at `length` and later. */
  truncate(length: number): void {
    this.#length = Math.min(length, this.#length);
    this.#view = undefined;
  }

  /** Half as much again: memory that was never touched takes up addresses only. */
  reserve(length: number): void {
    if (length <= this.#numbers.length) return;
    const grown = new Float64Array(Math.ceil(1.5 * length));
    grown.set(this.#numbers.subarray(0, this.#length));
    this.#numbers = grown;
  }
}

/** A column that is kept as it arrived, part by part, until somebody looks at it: most are never looked at. */
export class LazyColumn {
  readonly #column = new Column();
  /** Each begins where the one before ends, and the first where the column ends. */
  #parts: Float64Array[] = [];
  #length = 0;
  #total = 0;

  get length(): number {
    return this.#length;
  }
  get bytes(): number {
    return this.#parts.reduce((sum, { byteLength }) => sum + byteLength, this.#column.bytes);
  }

  /** See {@link Column.view}. */
  get view(): Float64Array {
    this.#join();
    return this.#column.view;
  }

  /** See {@link Column.put}. */
  put(from: number, numbers: Float64Array, total = 0): void {
    this.#total = total;
    // Small parts, as live ones are, would be many; and what is replaced has to be found.
    if (from < this.#length || (numbers.length < 1000 && this.#parts.length === 0)) {
      this.#join();
      this.#column.put(from, numbers, total);
    } else {
      this.#parts.push(numbers);
      if (numbers.length < 1000 && this.#parts.length > 1000) this.#join();
    }
    this.#length = from + numbers.length;
  }

  #join(): void {
    for (const part of this.#parts) this.#column.put(this.#column.length, part, this.#total);
    this.#parts = [];
  }
}
