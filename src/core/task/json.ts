/** JSON files that people write by hand: comments and trailing commas are fine, and every error knows its line. */
import {
  findNodeAtLocation,
  getNodeValue,
  type Node,
  parseTree,
  type ParseError,
  printParseErrorCode,
} from 'jsonc-parser';
import { type ErrorCode, type ErrorPlace, TwaError } from '../errors.ts';

export type JsonPath = readonly (string | number)[];

export interface JsonDocument {
  readonly path: string;
  readonly value: unknown;
  /**
   * Where the value at `at` stands; with `'key'`, where its property name stands. Where there is no such value, its
   * nearest parent that there is.
   */
  place(at: JsonPath, what?: 'key' | 'value'): ErrorPlace;
}

/** Throws a TwaError `code` at the first syntax error or at a property that is given twice. */
export function parseJson(path: string, text: string, code: ErrorCode): JsonDocument {
  const errors: ParseError[] = [];
  const root = parseTree(text, errors, { allowTrailingComma: true });
  const starts = lineStarts(text);
  const first = errors[0];
  if (first !== undefined) {
    const place = { path, ...lineAndColumn(starts, first.offset) };
    throw new TwaError(code, `${atPlace(place)}: this is not valid JSON (${syntaxError(first)}).`, { place });
  }
  if (root === undefined)
    throw new TwaError(code, `${path} is empty.`, { place: { path, line: 1, column: 1 } });
  const twice = repeatedKey(root);
  if (twice !== undefined) {
    const place = { path, ...lineAndColumn(starts, twice.offset) };
    throw new TwaError(code, `${atPlace(place)}: "${String(twice.value)}" is given twice.`, { place });
  }
  return {
    path,
    value: getNodeValue(root) as unknown,
    place(at, what = 'value') {
      for (let length = at.length; length >= 0; length--) {
        let node = findNodeAtLocation(root, at.slice(0, length));
        if (node === undefined) continue;
        if (what === 'key' && length === at.length && node.parent?.type === 'property') {
          node = node.parent.children?.[0] ?? node;
        }
        return { path, ...lineAndColumn(starts, node.offset) };
      }
      return { path, line: 1, column: 1 };
    },
  };
}

/** "/project/twa.json:3:12", which terminals and editors make a link of. */
export function atPlace(place: ErrorPlace): string {
  return [place.path, place.line, place.column].filter((part) => part !== undefined).join(':');
}

/** 'CommaExpected' -> 'comma expected'. */
function syntaxError(error: ParseError): string {
  return printParseErrorCode(error.error)
    .replaceAll(/(?<=[a-z])(?=[A-Z])/g, ' ')
    .toLowerCase();
}

function repeatedKey(node: Node): Node | undefined {
  const pending = [node];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (next.type === 'object') {
      const seen = new Set<unknown>();
      for (const property of next.children ?? []) {
        const key = property.children?.[0];
        if (key === undefined) continue;
        if (seen.has(key.value)) return key;
        seen.add(key.value);
      }
    }
    pending.push(...(next.type === 'array' ? nested(next) : (next.children ?? [])));
  }
  return undefined;
}

/** An array's children that can hold keys: spreading a million row numbers would overflow the stack. */
function nested(array: Node): Node[] {
  return (array.children ?? []).filter((child) => child.type === 'object' || child.type === 'array');
}

function lineStarts(text: string): number[] {
  const starts = [0];
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return starts;
}

function lineAndColumn(starts: readonly number[], offset: number): { line: number; column: number } {
  let low = 0;
  let high = starts.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (starts[middle]! <= offset) low = middle;
    else high = middle - 1;
  }
  return { line: low + 1, column: offset - starts[low]! + 1 };
}
