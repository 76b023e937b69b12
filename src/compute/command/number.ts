/** The one number in what an evaluation command printed. */
import type { CommandDeclaration } from '../../core/task/types.ts';

export type Found =
  | { readonly kind: 'number'; readonly value: number }
  /** Why there is none: continues "the command ...". */
  | { readonly kind: 'none'; readonly reason: string };

type Where = Pick<CommandDeclaration, 'pattern' | 'pointer'>;

/** A number that is not finite is NaN, which is worse than any other: a model that diverged is no failed evaluation. */
export function findNumber(printed: string, { pattern, pointer }: Where): Found {
  if (pattern !== undefined) return byPattern(printed, pattern);
  if (pointer !== undefined) return byPointer(printed, pointer);
  const last = printed
    .trimEnd()
    .split(/\r\n|\n|\r/)
    .at(-1)!
    .trim();
  return (
    toNumber(last) ?? none(`printed no number as its last line; say where it is by "pattern" or "pointer"`)
  );
}

function byPattern(printed: string, pattern: string): Found {
  const match = [...printed.matchAll(new RegExp(pattern, 'gm'))].at(-1);
  if (match === undefined) return none(`printed nothing that matches the pattern ${pattern}`);
  const text = match.slice(1).find((group) => (group as string | undefined) !== undefined) ?? '';
  return (
    toNumber(text) ?? none(`printed ${JSON.stringify(text)} where the pattern ${pattern} has its number`)
  );
}

function byPointer(printed: string, pointer: string): Found {
  const document = lastJson(printed);
  if (document === undefined) return none('printed no JSON');
  let value = document.value;
  for (const part of pointer.split('/').slice(1)) {
    const key = part.replaceAll('~1', '/').replaceAll('~0', '~');
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) {
      return none(`printed JSON without ${pointer}`);
    }
    value = (value as Readonly<Record<string, unknown>>)[key];
  }
  if (typeof value === 'number') return finite(value);
  const read = typeof value === 'string' ? toNumber(value) : undefined;
  return read ?? none(`printed JSON that has ${JSON.stringify(value)} at ${pointer}, which is no number`);
}

/** Everything that was printed, or else its last line that is an object or a list. */
function lastJson(printed: string): { readonly value: unknown } | undefined {
  const lines = printed.split(/\r\n|\n|\r/).map((line) => line.trim());
  for (const text of [printed, ...lines.reverse().filter((line) => /^[[{]/.test(line))]) {
    // Python writes NaN and infinities, which JSON has not.
    for (const candidate of [
      text,
      text.replaceAll(/(?<=[:,[]\s*)-?(?:NaN|Infinity)(?=\s*[,\]}])/g, '"NaN"'),
    ]) {
      try {
        return { value: JSON.parse(candidate) as unknown };
      } catch {
        // The next one.
      }
    }
  }
  return undefined;
}

function toNumber(text: string): Found | undefined {
  if (/^[+-]?(?:nan|inf(?:inity)?)$/i.test(text)) return finite(NaN);
  return /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(text) ? finite(Number(text)) : undefined;
}

function finite(value: number): Found {
  return { kind: 'number', value: Number.isFinite(value) ? value : NaN };
}

function none(reason: string): Found {
  return { kind: 'none', reason };
}
