/** What `JSON.parse` does not tell about a text. */

/** The headers of the largest models there are take about ten megabytes. */
export const MAX_JSON_BYTES = 32_000_000;
/** Objects, lists and what they hold: a hundred bytes of memory each, written in two. A tensor takes eight at most. */
const MAX_JSON_PARTS = 2_000_000;

/** Whether a text would become more than any header is, to be asked before it is parsed. */
export function hasTooManyParts(json: Uint8Array): boolean {
  let parts = 0;
  for (const byte of json) {
    if (byte === COMMA || byte === OPEN_BRACE || byte === OPEN_BRACKET) parts++;
  }
  return parts > MAX_JSON_PARTS;
}

export interface JsonScan {
  /** A key that stands twice in one object; `JSON.parse` would silently keep the last. */
  readonly duplicateKey: string | undefined;
  /** The text ends inside a value: it was cut off. */
  readonly open: boolean;
}

/** One pass over the characters; meaningful for valid JSON and for the front part of valid JSON. */
export function scanJson(text: string): JsonScan {
  /** Keys so far of every open object; undefined for an open array. */
  const stack: (Set<string> | undefined)[] = [];
  let duplicateKey: string | undefined;
  let i = 0;
  while (i < text.length) {
    const c = text.charCodeAt(i);
    if (c === QUOTE) {
      const start = i++;
      while (i < text.length && text.charCodeAt(i) !== QUOTE) i += text.charCodeAt(i) === BACKSLASH ? 2 : 1;
      if (i >= text.length) return { duplicateKey, open: true };
      i++;
      const keys = stack.at(-1);
      if (keys !== undefined && isKey(text, i)) {
        const key = decodeKey(text.slice(start, i));
        if (keys.has(key)) duplicateKey ??= key;
        keys.add(key);
      }
      continue;
    }
    if (c === OPEN_BRACE) stack.push(new Set());
    else if (c === OPEN_BRACKET) stack.push(undefined);
    else if (c === CLOSE_BRACE || c === CLOSE_BRACKET) stack.pop();
    i++;
  }
  return { duplicateKey, open: stack.length > 0 || text.trim() === '' };
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;

/** A string inside an object is a key when a colon follows. */
function isKey(text: string, after: number): boolean {
  while (after < text.length && text.charCodeAt(after) <= 0x20) after++;
  return text[after] === ':';
}

/** Keys written with different escapes are the same key. */
function decodeKey(quoted: string): string {
  try {
    return String(JSON.parse(quoted));
  } catch {
    return quoted;
  }
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
