/** What another extension registered: a name, and the module that has it. `api/twa.d.ts` says what modules export. */

export const CONTRIBUTION_KINDS = ['format', 'metrics', 'engine'] as const;
export type ContributionKind = (typeof CONTRIBUTION_KINDS)[number];

export interface Contribution {
  readonly kind: ContributionKind;
  /** `publisher.name`: never the name of something of ours. */
  readonly id: string;
  /** Absolute path. */
  readonly module: string;
}

const ID = /^[a-z0-9][\w-]*\.[\w-]+$/i;

export function isContributionId(id: string): boolean {
  return ID.test(id);
}

/** Narrows what crossed a line between processes, or came from another extension. */
export function isContribution(value: unknown): value is Contribution {
  if (typeof value !== 'object' || value === null) return false;
  const { kind, id, module } = value as Readonly<Record<string, unknown>>;
  return (
    CONTRIBUTION_KINDS.some((known) => known === kind) &&
    typeof id === 'string' &&
    isContributionId(id) &&
    typeof module === 'string'
  );
}
