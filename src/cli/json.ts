/**
 * The one JSON document of `--json`, on one line. JSON has no NaN and no infinity: they are the strings "NaN",
 * "Infinity" and "-Infinity". What is not known is null, so that every field is always there.
 */
export function toJson(document: object): string {
  return JSON.stringify(document, (_key, value: unknown) => {
    if (value === undefined) return null;
    if (typeof value === 'number' && !Number.isFinite(value)) return String(value);
    return value;
  });
}

export const JSON_NUMBERS =
  'In JSON, NaN and infinities are the strings "NaN", "Infinity" and "-Infinity"; unknown is null.';
