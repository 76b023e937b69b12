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

  /** Exactly as asked the first time, since most series are read whole and then grow slowly; later half as much again. */
  reserve(length: number): void {
    const { length: capacity } = this.#numbers;
    if (length <= capacity) return;
    const grown = new Float64Array(capacity === 0 ? length : Math.max(length, Math.ceil(1.5 * capacity)));
    grown.set(this.#numbers.subarray(0, this.#length));
    this.#numbers = grown;
  }
}
