/** Typed reads of a layer's `config`, which is anything that JSON can hold. */
import type { Fields } from '../../core/keras/architecture.ts';

/** Why a layer cannot be built: half a sentence that follows its class and name. */
export class Refusal extends Error {}

export class Config {
  /** As it is in the file. */
  readonly fields: Fields;

  constructor(fields: Fields) {
    this.fields = fields;
  }

  /** Undefined for what is missing or null. Only the object's own keys count: `constructor` is none. */
  raw(key: string): unknown {
    return Object.hasOwn(this.fields, key) ? (this.fields[key] ?? undefined) : undefined;
  }

  has(key: string): boolean {
    return this.raw(key) !== undefined;
  }

  integer(key: string, fallback?: number): number {
    const value = this.raw(key) ?? fallback;
    if (typeof value === 'number' && Number.isSafeInteger(value)) return value;
    throw this.#wrong(key, value, 'a whole number');
  }

  /** A size, count or factor: 1 or more. */
  count(key: string, fallback?: number): number {
    const value = this.integer(key, fallback);
    if (value >= 1) return value;
    throw this.#wrong(key, value, '1 or more');
  }

  number(key: string, fallback?: number): number {
    const value = this.raw(key) ?? fallback;
    if (typeof value === 'number' && Number.isFinite(value)) return value;
    throw this.#wrong(key, value, 'a number');
  }

  flag(key: string, fallback: boolean): boolean {
    const value = this.raw(key) ?? fallback;
    if (typeof value === 'boolean') return value;
    throw this.#wrong(key, value, 'true or false');
  }

  text(key: string, fallback?: string): string {
    const value = this.raw(key) ?? fallback;
    if (typeof value === 'string') return value;
    throw this.#wrong(key, value, 'text');
  }

  choice<T extends string>(key: string, known: readonly T[], fallback?: T): T {
    const value = this.text(key, fallback);
    const found = known.find((candidate) => candidate === value);
    if (found !== undefined) return found;
    throw this.#wrong(key, value, known.map((name) => `"${name}"`).join(' or '));
  }

  /** One whole number for all, or one for each of `length`. */
  integers(key: string, length: number, fallback?: number): number[] {
    const value = this.raw(key) ?? fallback;
    if (typeof value === 'number' && Number.isSafeInteger(value))
      return new Array<number>(length).fill(value);
    if (isIntegers(value) && value.length === length) return [...value];
    throw this.#wrong(key, value, `${length} whole numbers`);
  }

  /** The same, each 1 or more. */
  counts(key: string, length: number, fallback?: number): number[] {
    const values = this.integers(key, length, fallback);
    if (values.every((value) => value >= 1)) return values;
    throw this.#wrong(key, values, '1 or more');
  }

  /** A number before and one after, for each of `length` axes; a single number stands for all. */
  pairs(key: string, length: number): [number, number][] {
    const value = this.raw(key);
    const all =
      typeof value === 'number'
        ? new Array<unknown>(length).fill(value)
        : length === 1 && isIntegers(value) && value.length === 2
          ? [value]
          : value;
    if (Array.isArray(all) && all.length === length) {
      const pairs = all.map((one: unknown) => (typeof one === 'number' ? [one, one] : one));
      if (pairs.every((pair): pair is [number, number] => isIntegers(pair) && pair.length === 2)) {
        if (pairs.flat().every((one) => one >= 0)) return pairs;
      }
    }
    throw this.#wrong(key, value, `${length} pairs of whole numbers`);
  }

  /** A whole number or a list of them: axes. */
  axes(key: string, fallback: number): number[] {
    const value = this.raw(key) ?? fallback;
    if (typeof value === 'number' && Number.isSafeInteger(value)) return [value];
    if (isIntegers(value)) return [...value];
    throw this.#wrong(key, value, 'a whole number or a list of them');
  }

  /** Undefined where it is missing. */
  list(key: string): readonly unknown[] | undefined {
    const value = this.raw(key);
    if (value === undefined || Array.isArray(value)) return value;
    throw this.#wrong(key, value, 'a list');
  }

  #wrong(key: string, value: unknown, wanted: string): Refusal {
    const text = value === undefined ? 'missing' : JSON.stringify(value);
    return new Refusal(
      `has a ${key} that is ${text.length > 80 ? `${text.slice(0, 80)}...` : text}, not ${wanted}.`,
    );
  }
}

export function isIntegers(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'number' && Number.isSafeInteger(one));
}
