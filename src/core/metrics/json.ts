/** JSON as loggers write it. */

/** Strings are matched first, so that a NaN inside one stays text. */
const STRING_OR_LITERAL = /"(?:[^"\\]|\\.)*"|-?\bInfinity\b|\bNaN\b/g;

/**
 * JSON.parse that also takes the NaN, Infinity and -Infinity of Python's json module, as the strings "NaN" and so on.
 * @throws SyntaxError
 */
export function parseLooseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (!/NaN|Infinity/.test(text)) throw error;
    return JSON.parse(
      text.replace(STRING_OR_LITERAL, (match) => (match.startsWith('"') ? match : `"${match}"`)),
    );
  }
}

/** Deeper nesting is no metric. */
const MAX_DEPTH = 8;
const NAMED_NUMBER = /^-?(?:NaN|Infinity)$/;

/**
 * The numbers and texts of an object, names of nested ones joined with `/`. Private keys of a logger (`_runtime`) are
 * left out unless they say where a row stands (`_step`, `_timestamp`).
 */
export function flatten(
  object: object,
  isAxis: (name: string) => boolean,
  prefix = '',
  depth = 0,
): [string, number | string][] {
  const fields: [string, number | string][] = [];
  for (const [key, value] of Object.entries(object) as [string, unknown][]) {
    const name = prefix + key;
    if (name.startsWith('_') && !isAxis(name)) continue;
    if (typeof value === 'number') fields.push([name, value]);
    else if (typeof value === 'string') {
      fields.push([name, NAMED_NUMBER.test(value) ? Number(value) : value]);
    } else if (isObject(value) && depth < MAX_DEPTH) {
      fields.push(...flatten(value, isAxis, `${name}/`, depth + 1));
    }
  }
  return fields;
}

export function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
