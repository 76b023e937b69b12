/** Checkpoints and averages as a table: the way to them without a pointer. */
import { h, onClick } from '../shared/dom.ts';
import { fill } from '../shared/editor.ts';
import { formatNumber } from '../shared/numbers.ts';
import type { CurvesStrings } from '../strings.ts';
import type { StoredRun } from './store.ts';
import { formatPlace } from './tooltip.ts';

export interface MarkTableEvents {
  reveal(path: string): void;
  openReport(path: string): void;
}

/** @param runName where there is a table for each of several runs. */
export function markTable(
  run: StoredRun,
  strings: CurvesStrings,
  runName: string | undefined,
  events: MarkTableEvents,
): HTMLElement {
  const place = (value: number | undefined): string => (value === undefined ? '' : formatPlace(value));
  const row = (
    kind: string,
    { name, epoch, step }: { readonly name: string; readonly epoch?: number; readonly step?: number },
    detail: string,
    [label, action]: readonly [string, () => void],
  ): HTMLElement =>
    h(
      'tr',
      {},
      h('th', { scope: 'row' }, name),
      h('td', { class: 'text' }, kind),
      h('td', {}, place(epoch)),
      h('td', {}, place(step)),
      h('td', { class: 'text' }, detail),
      h(
        'td',
        { class: 'text' },
        onClick(
          h('button', { type: 'button', class: 'link', 'aria-label': `${label}: ${name}` }, label),
          action,
        ),
      ),
    );
  return h(
    'div',
    { class: 'table-scroll marks' },
    h(
      'table',
      { class: 'data' },
      h('caption', {}, strings.markerTableCaption, runName === undefined ? '' : `: ${runName}`),
      h(
        'thead',
        {},
        h(
          'tr',
          {},
          h('th', { scope: 'col' }, strings.name),
          h('th', { scope: 'col', class: 'text' }, strings.kind),
          h('th', { scope: 'col' }, strings.epoch),
          h('th', { scope: 'col' }, strings.step),
          h('td', {}),
          h('td', {}),
        ),
      ),
      h(
        'tbody',
        {},
        ...run.checkpoints.map((mark) =>
          row(strings.checkpoint, mark, mark.complete ? '' : strings.incomplete, [
            strings.showInTree,
            () => events.reveal(mark.path),
          ]),
        ),
        ...run.averages.map((mark) =>
          row(
            fill(strings.average, mark.method),
            mark,
            mark.measured.map(({ name, value }) => `${name} ${formatNumber(value)}`).join(', '),
            [strings.openResult, () => events.openReport(mark.reportPath)],
          ),
        ),
      ),
    ),
  );
}
