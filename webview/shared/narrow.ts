/**
 * Readers that narrow `unknown`: each gives the value with its type or throws {@link Mismatch}. Messages cross the
 * webview line as JSON (typed arrays excepted), where NaN and infinities become null: {@link number} reads null as NaN.
 */
export class Mismatch extends Error {}

export type Reader<T> = (value: unknown) => T;
type Read<R> = R extends Reader<infer T> ? T : never;
type Fields = Readonly<Record<string, Reader<unknown>>>;

const mismatch = (expected: string): never => {
  throw new Mismatch(`expected ${expected}`);
};

export const string: Reader<string> = (value) => (typeof value === 'string' ? value : mismatch('a string'));
export const boolean: Reader<boolean> = (value) =>
  typeof value === 'boolean' ? value : mismatch('a boolean');
export const number: Reader<number> = (value) =>
  typeof value === 'number' ? value : value === null ? NaN : mismatch('a number');
export const float64s: Reader<Float64Array> = (value) =>
  value instanceof Float64Array ? value : mismatch('a Float64Array');

/** A string no longer than `limit`: for what a page may hand to the editor. */
export const shortString =
  (limit: number): Reader<string> =>
  (value) =>
    typeof value === 'string' && value.length <= limit ? value : mismatch(`at most ${limit} characters`);

export const oneOf =
  <const T extends string>(...options: readonly T[]): Reader<T> =>
  (value) =>
    options.find((option) => option === value) ?? mismatch(options.join(' or '));

export const arrayOf =
  <T>(element: Reader<T>): Reader<readonly T[]> =>
  (value) =>
    Array.isArray(value) ? value.map(element) : mismatch('an array');

export const pairOf =
  <T>(element: Reader<T>): Reader<readonly [T, T]> =>
  (value) => {
    const [first, second, ...others] = arrayOf(element)(value);
    return first === undefined || second === undefined || others.length > 0
      ? mismatch('a pair')
      : [first, second];
  };

export const recordOf =
  <T>(element: Reader<T>): Reader<Readonly<Record<string, T>>> =>
  (value) =>
    Object.fromEntries(Object.entries(asObject(value)).map(([key, entry]) => [key, element(entry)]));

export const nullable =
  <T>(read: Reader<T>): Reader<T | null> =>
  (value) =>
    value === null ? null : read(value);

/** For a property that is there with the value undefined, or (after JSON) not there at all. */
export const orUndefined =
  <T>(read: Reader<T>): Reader<T | undefined> =>
  (value) =>
    value === undefined ? undefined : read(value);

type Required<R extends Fields> = { readonly [K in keyof R]: Read<R[K]> };
type Optional<O extends Fields> = { readonly [K in keyof O]?: Read<O[K]> };

/** Properties that must be there, and properties that may be missing. Others are dropped. */
export function object<R extends Fields>(required: R): Reader<Required<R>>;
export function object<R extends Fields, O extends Fields>(
  required: R,
  optional: O,
): Reader<Required<R> & Optional<O>>;
export function object(required: Fields, optional: Fields = {}): Reader<object> {
  return (value) => {
    const from = asObject(value);
    const to: Record<string, unknown> = {};
    for (const [key, read] of Object.entries(required)) to[key] = read(from[key]);
    for (const [key, read] of Object.entries(optional)) {
      if (from[key] !== undefined) to[key] = read(from[key]);
    }
    return to;
  };
}

/** A union told apart by `kind`; every kind needs its reader. */
export function union<T extends { readonly kind: string }>(readers: {
  readonly [K in T['kind']]: Reader<Omit<Extract<T, { readonly kind: K }>, 'kind'>>;
}): Reader<T> {
  const byKind = new Map(Object.entries<Reader<object>>(readers));
  return (value) => {
    const kind = string(asObject(value)['kind']);
    const read = byKind.get(kind) ?? mismatch('a known kind');
    return { ...read(value), kind } as unknown as T;
  };
}

/** The boundary itself: undefined for anything that does not fit. */
export const narrower =
  <T>(read: Reader<T>) =>
  (value: unknown): T | undefined => {
    try {
      return read(value);
    } catch (error) {
      if (error instanceof Mismatch) return undefined;
      throw error;
    }
  };

function asObject(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, unknown>>)
    : mismatch('an object');
}
