/** The list that is shown before anything is moved. No VS Code here. */
import * as l10n from '@vscode/l10n';
import type { CheckpointEntry, Run } from '../../core/runs/types.ts';
import type { Option } from '../dialogs.ts';
import { formatBytes } from '../text.ts';
import { runLabel } from '../tree/describe.ts';
import type { OnDisk } from './files.ts';

export interface Item {
  readonly run: Run;
  readonly entry: CheckpointEntry;
  readonly disk: OnDisk;
  /** Why it stays whatever the user says; undefined where it may go. */
  readonly stays: string | undefined;
  /** What the user should know of it: "best by accuracy". */
  readonly marks: readonly string[];
}

/** All at once, or one line that goes in or out. */
export type Answer = 'move' | Item;

export function previewOptions(items: readonly Item[], out: ReadonlySet<Item>): readonly Option<Answer>[] {
  const going = items.filter((item) => item.stays === undefined && !out.has(item));
  const left = items.filter((item) => out.has(item));
  const staying = items.filter((item) => item.stays !== undefined);
  const group = (i: number, heading: string): Pick<Option<Answer>, 'group'> =>
    i === 0 ? { group: heading } : {};
  return [
    ...(going.length === 0
      ? []
      : [
          {
            label: `$(trash) ${l10n.t('Move {0} to the Trash…', countText(going.length))}`,
            detail: sizeText(going),
            value: 'move' as const,
          },
        ]),
    ...going.map((item, i) => ({
      ...group(i, l10n.t('Go')),
      label: `$(package) ${item.entry.name}`,
      description: description(item),
      value: item,
    })),
    ...left.map((item, i) => ({
      ...group(i, l10n.t('Taken out of the list')),
      label: `$(circle-slash) ${item.entry.name}`,
      description: description(item),
      value: item,
    })),
    ...staying.map((item, i) => ({
      ...group(i, l10n.t('Have to stay')),
      label: `$(lock) ${item.entry.name}`,
      description: item.stays ?? '',
      value: item,
    })),
  ];
}

export function countText(count: number): string {
  return count === 1 ? l10n.t('1 Checkpoint') : l10n.t('{0} Checkpoints', count);
}

/** A trash keeps what is in it. */
export function sizeText(items: readonly Item[]): string {
  const bytes = items.reduce((sum, { disk }) => sum + disk.bytes, 0);
  const freed = items.reduce((sum, { disk }) => sum + disk.freed, 0);
  return freed === bytes
    ? l10n.t('{0}, free once the trash is emptied.', formatBytes(bytes))
    : l10n.t(
        '{0}, of which {1} are free once the trash is emptied; the rest has other names on this disk.',
        formatBytes(bytes),
        formatBytes(freed),
      );
}

function description({ run, entry, disk, marks }: Item): string {
  return [
    ...marks,
    formatBytes(disk.bytes),
    ...(entry.state === 'complete' ? [] : [l10n.t('not complete')]),
    ...(disk.paths.length === 1 ? [] : [l10n.t('{0} files', disk.paths.length)]),
    runLabel(run),
  ].join(' · ');
}
