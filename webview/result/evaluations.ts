/** What the user's own command said about the merged checkpoint, each with where it comes from. */
import type { OwnEvaluation } from '../protocol.ts';
import { h } from '../shared/dom.ts';
import { fill } from '../shared/fill.ts';
import { formatDuration, formatNumber } from '../shared/numbers.ts';
import type { ResultStrings } from '../strings.ts';
import { timeText } from './facts.ts';

export function evaluationsSection(
  evaluations: readonly OwnEvaluation[],
  strings: ResultStrings,
): readonly HTMLElement[] {
  return [
    h('h2', {}, strings.evaluations),
    h(
      'ul',
      {},
      ...evaluations.map(({ command, directory, value, at, milliseconds }) =>
        h(
          'li',
          {},
          h('strong', { class: 'number' }, formatNumber(value)),
          ' ',
          h('code', { title: command }, command),
          ' ',
          h(
            'span',
            { class: 'muted' },
            fill(
              strings.evaluationHint,
              directory,
              timeText(at, document.documentElement.lang || undefined),
              formatDuration(milliseconds),
            ),
          ),
        ),
      ),
    ),
  ];
}
