/** Loading a module that another extension registered: its code, so whatever it exports or throws is `unknown`. */
import { pathToFileURL } from 'node:url';
import { TwaError } from '../errors.ts';
import type { Contribution } from './types.ts';

/** The object that the module exports by `name`. @throws TwaError `bad-extension` */
export async function importContribution(
  contribution: Contribution,
  name: string,
): Promise<Readonly<Record<string, unknown>>> {
  let exported: Readonly<Record<string, unknown>>;
  try {
    exported = (await import(pathToFileURL(contribution.module).href)) as Readonly<Record<string, unknown>>;
  } catch (error) {
    throw badExtension(contribution, `cannot be loaded: ${messageOf(error)}`, error);
  }
  const value = exported[name];
  if (typeof value !== 'object' || value === null) {
    throw badExtension(contribution, `does not export "${name}", an object`);
  }
  return value as Readonly<Record<string, unknown>>;
}

/** @param what goes on from the module's name. */
export function badExtension({ id, module }: Contribution, what: string, cause?: unknown): TwaError {
  return new TwaError(
    'bad-extension',
    `${id}: ${module} ${what}. Tell those who made that extension, or disable it.`,
    { place: { path: module }, ...(cause === undefined ? {} : { cause }) },
  );
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
