/** What an option's text may be. A verb is declared once, and both its parser and its help come from that. */
import { TwaError } from '../core/errors.ts';

/** The command line itself is wrong: exit code 2, whatever a `usage` error from further in may say. */
export class UsageError extends TwaError {
  constructor(message: string) {
    super('usage', message);
  }
}

export interface ValueOption<T> {
  /** What stands for the value in the help: "FILE". */
  readonly value: string;
  readonly help: string;
  /** Throws an Error whose message says what the text must be: "a whole number above 0". */
  parse(text: string): T;
}

/** An option without a value. */
export interface Flag {
  readonly help: string;
}

export type Option = ValueOption<unknown> | Flag;
/** By long name, without the dashes. */
export type Options = Readonly<Record<string, Option>>;

export type ValuesOf<O extends Options> = {
  readonly [K in keyof O]?: O[K] extends ValueOption<infer T> ? T : true;
};

export function text(value: string, help: string): ValueOption<string> {
  return { value, help, parse: (given) => given };
}

export function choice<const T extends string>(names: readonly T[], help: string): ValueOption<T> {
  return {
    value: names.join('|'),
    help,
    parse(given) {
      const found = names.find((name) => name === given);
      if (found === undefined) throw new Error(`one of ${names.join(', ')}`);
      return found;
    },
  };
}

/** A whole number of at least `least`. */
export function whole(value: string, least: number, help: string): ValueOption<number> {
  return {
    value,
    help,
    parse(given) {
      const number = Number(given);
      if (!/^\d+$/.test(given) || number < least || !Number.isSafeInteger(number)) {
        throw new Error(`a whole number of at least ${least}`);
      }
      return number;
    },
  };
}

/** A finite number for which `fits` holds; `expected` says which that is. */
export function decimal(
  value: string,
  expected: string,
  fits: (number: number) => boolean,
  help: string,
): ValueOption<number> {
  return {
    value,
    help,
    parse(given) {
      const number = toNumber(given);
      if (number === undefined || !fits(number)) throw new Error(expected);
      return number;
    },
  };
}

/** Finite numbers with commas between. */
export function numbers(value: string, help: string): ValueOption<readonly number[]> {
  return {
    value,
    help,
    parse(given) {
      return given.split(',').map((part) => {
        const number = toNumber(part.trim());
        if (number === undefined) throw new Error('numbers with commas between, such as 0.5,0.3,0.2');
        return number;
      });
    },
  };
}

function toNumber(given: string): number | undefined {
  if (!/^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(given)) return undefined;
  const number = Number(given);
  return Number.isFinite(number) ? number : undefined;
}
