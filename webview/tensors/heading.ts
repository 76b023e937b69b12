import { h, icon, onClick } from '../shared/dom.ts';
import { fill } from '../shared/editor.ts';
import { formatBytes } from '../shared/numbers.ts';
import type { ShownCheckpoint } from './protocol.ts';
import { tensorRows, totals } from './rows.ts';
import type { TensorsStrings } from './strings.ts';

/** Thousands apart: "1,234,567". */
export const count = (value: number): string => value.toLocaleString('en-US');

/** Name, format, how many tensors and parameters, how large, where in training. */
export function heading(
  checkpoint: ShownCheckpoint,
  strings: TensorsStrings,
  copy: (text: string) => void,
): HTMLElement {
  const { name, path, format, tensors, bytes, step, epoch, notes } = checkpoint;
  const { elements } = totals(tensorRows(tensors, new Map()));
  const facts = [
    format,
    tensors.length === 1 ? strings.oneTensor : fill(strings.tensorCount, count(tensors.length)),
    fill(strings.parametersCount, count(elements)),
    formatBytes(bytes),
    [...new Set(tensors.map(({ dtype }) => dtype))].join(', '),
    ...(step === undefined ? [] : [fill(strings.step, step)]),
    ...(epoch === undefined ? [] : [fill(strings.epoch, epoch)]),
  ];
  return h(
    'header',
    {},
    h(
      'div',
      { class: 'title' },
      h('h1', { title: path }, name),
      onClick(
        h(
          'button',
          { class: 'icon-button', title: strings.copyPath, 'aria-label': strings.copyPath },
          icon('copy'),
        ),
        () => copy(path),
      ),
    ),
    h('p', { class: 'muted' }, facts.filter((fact) => fact !== '').join(' · ')),
    ...notes.map((note) => h('p', { class: 'note' }, icon('warning'), note)),
  );
}

/** Closed until somebody wants it; nothing where there is none. */
export function metadataSection(
  checkpoints: readonly ShownCheckpoint[],
  strings: TensorsStrings,
): HTMLElement | undefined {
  const keys = [...new Set(checkpoints.flatMap(({ metadata }) => Object.keys(metadata)))];
  if (keys.length === 0) return undefined;
  const values = (key: string) =>
    checkpoints.map(({ metadata }) => (Object.hasOwn(metadata, key) ? metadata[key] : undefined));
  return h(
    'details',
    { class: 'metadata' },
    h('summary', {}, fill(strings.metadata, count(keys.length))),
    h(
      'div',
      {
        class: 'metadata-scroll',
        tabindex: 0,
        role: 'region',
        'aria-label': fill(strings.metadata, keys.length),
      },
      h(
        'table',
        {},
        checkpoints.length === 1
          ? undefined
          : h(
              'thead',
              {},
              h('tr', {}, h('td'), ...['A', 'B'].map((side) => h('th', { scope: 'col' }, side))),
            ),
        h(
          'tbody',
          {},
          ...keys.map((key) => {
            const shown = values(key);
            return h(
              'tr',
              { class: new Set(shown).size > 1 ? 'differs' : undefined },
              h('th', { scope: 'row' }, key),
              ...shown.map((value) => h('td', {}, value ?? '')),
            );
          }),
        ),
      ),
    ),
  );
}
