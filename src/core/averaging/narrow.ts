/** From `unknown` to types, for JSON that came from outside. Every function names the place it failed at. */

export class NarrowError extends Error {
  constructor(at: string, expected: string, value: unknown) {
    super(`${at} must be ${expected}, and is ${describe(value)}`);
    this.name = 'NarrowError';
  }
}

/** Gives a value of type T or throws {@link NarrowError}. `at` is the place, as `table[2].metric`. */
export type Narrow<T> = (value: unknown, at: string) => T;

export const asString: Narrow<string> = (value, at) => {
  if (typeof value !== 'string') throw new NarrowError(at, 'a text', value);
  return value;
};

export const asNumber: Narrow<number> = (value, at) => {
  if (typeof value !== 'number') throw new NarrowError(at, 'a number', value);
  return value;
};

export const asBoolean: Narrow<boolean> = (value, at) => {
  if (typeof value !== 'boolean') throw new NarrowError(at, 'true or false', value);
  return value;
};

/** A measured number: JSON has no NaN or infinity, so it writes them as null, which comes back as NaN. */
export const asMeasured: Narrow<number> = (value, at) => (value === null ? NaN : asNumber(value, at));

export function asOneOf<T extends string>(...choices: readonly T[]): Narrow<T> {
  return (value, at) => {
    const found = choices.find((choice) => choice === value);
    if (found === undefined) throw new NarrowError(at, `one of ${choices.join(', ')}`, value);
    return found;
  };
}

export function asArray<T>(item: Narrow<T>): Narrow<readonly T[]> {
  return (value, at) => {
    if (!Array.isArray(value)) throw new NarrowError(at, 'a list', value);
    return value.map((one, index) => item(one, `${at}[${index}]`));
  };
}

export function asOptional<T>(narrow: Narrow<T>): Narrow<T | undefined> {
  return (value, at) => (value === undefined ? undefined : narrow(value, at));
}

/** Reads the members of an object; members that nobody asks for are left alone. */
export class Members {
  readonly #record: Readonly<Record<string, unknown>>;
  readonly #at: string;

  constructor(value: unknown, at: string) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new NarrowError(at === '' ? 'the document' : at, 'an object', value);
    }
    this.#record = value as Readonly<Record<string, unknown>>;
    this.#at = at;
  }

  get<T>(name: string, narrow: Narrow<T>): T {
    return narrow(this.#record[name], this.#at === '' ? name : `${this.#at}.${name}`);
  }

  /** `{ name: value }`, or `{}` when there is none: for properties that are absent rather than undefined. */
  maybe<K extends string, T>(name: K, narrow: Narrow<T>): Partial<Record<K, T>> {
    const found = this.get(name, asOptional(narrow));
    return found === undefined ? {} : ({ [name]: found } as Record<K, T>);
  }
}

export function asObject<T>(read: (members: Members) => T): Narrow<T> {
  return (value, at) => read(new Members(value, at));
}

function describe(value: unknown): string {
  if (value === undefined) return 'missing';
  const text = JSON.stringify(value);
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}
