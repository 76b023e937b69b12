/**
 * What other extensions have registered in this process. The extension host fills it through the public API; every
 * compute process is told what there is when it starts.
 */
import { TwaError } from '../errors.ts';
import type { Contribution, ContributionKind } from './types.ts';

const registered = new Map<string, Contribution>();
const listeners = new Set<() => void>();

const keyOf = ({ kind, id }: Pick<Contribution, 'kind' | 'id'>): string => `${kind} ${id}`;

/**
 * Gives what ends it. An engine's module is not loaded here: that is for the process that computes.
 * @throws TwaError `exists` for what is registered already or a file name that is read already, `bad-extension`
 */
export async function register(contribution: Contribution): Promise<() => void> {
  const key = keyOf(contribution);
  if (registered.has(key)) {
    throw new TwaError(
      'exists',
      `${contribution.id} is registered already: dispose of the first one before.`,
    );
  }
  registered.set(key, contribution);
  let remove: () => void;
  try {
    remove = await put(contribution);
  } catch (error) {
    registered.delete(key);
    throw error;
  }
  tell();
  return () => {
    if (registered.get(key) !== contribution) return;
    registered.delete(key);
    remove();
    tell();
  };
}

/** Readers are only loaded for who reads: a window at its start does not. */
async function put(contribution: Contribution): Promise<() => void> {
  switch (contribution.kind) {
    case 'format': {
      const { addFormat, candidateFor } = await import('../checkpoints/registry.ts');
      const { loadFormat, sampleName } = await import('./format.ts');
      const format = await loadFormat(contribution);
      const name = sampleName(format);
      const taken = candidateFor(name);
      if (taken !== undefined) {
        throw new TwaError(
          'exists',
          `${contribution.id}: ${name} is read already, as ${taken.format.label}.`,
        );
      }
      return addFormat(format);
    }
    case 'metrics': {
      const { addMetricsFormat } = await import('../metrics/registry.ts');
      const { loadMetrics } = await import('./metrics.ts');
      return addMetricsFormat(await loadMetrics(contribution));
    }
    case 'engine':
      return () => undefined;
  }
}

export function contributions(): readonly Contribution[] {
  return [...registered.values()];
}

export function contribution(kind: ContributionKind, id: string): Contribution | undefined {
  return registered.get(keyOf({ kind, id }));
}

/** Called after every change. Gives what ends it. */
export function onContributions(listener: () => void): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

function tell(): void {
  for (const listener of listeners) listener();
}
