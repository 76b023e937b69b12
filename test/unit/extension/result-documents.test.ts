/** A result outside the editor: the exported report, the Markdown, and the command line that makes it again. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, test } from 'node:test';
import { commandLine, quoteWords } from '../../../src/core/averaging/commandLine.ts';
import type { AverageReport } from '../../../src/core/averaging/types.ts';
import { TwaError } from '../../../src/core/errors.ts';
import { resultHtml } from '../../../src/extension/results/html.ts';
import { resultMarkdown } from '../../../src/extension/results/markdown.ts';
import { nextName } from '../../../src/extension/results/outputs.ts';
import { sampleMore, sampleReport } from '../../e2e/webviews/samples.ts';

const report = sampleReport();
const more = sampleMore(report);

describe('the exported report', () => {
  const html = resultHtml(report, more, 'en');

  test('has no script, loads nothing, and has every picture in itself', () => {
    assert.doesNotMatch(html, /<script|\bon\w+=|<img|<link|@import|url\(|https?:/i);
    assert.match(html, /default-src 'none'/);
    // Loss, coefficients, map, matrix, moves.
    for (const className of ['plot', 'map', 'heat-map', 'moves', 'interval']) {
      assert.ok(html.includes(`<svg class="${className}"`), className);
    }
    assert.equal(html.match(/<svg class="plot"/g)?.length, 2);
  });

  test('has the sentence, all of the table, of the sources and of the provenance', () => {
    for (const text of [
      report.recommendation.sentence,
      report.output,
      ...report.notes,
      ...report.table.map(({ label }) => label),
      '0.978 [0.961, 0.992]',
      'python evaluate.py {checkpoint} --split test',
      report.provenance.outputSha256,
      '/data/digits/twa.json',
      ...report.provenance.sources.map(({ sha256 }) => sha256),
      'layer4.1.bn1.running_var',
    ]) {
      assert.ok(html.includes(text), text);
    }
  });

  test('what a file is called cannot become markup', () => {
    const evil = '<img src=x onerror=alert(1)>"&';
    const table = report.table.map((row) => ({ ...row, label: evil }));
    const changed = resultHtml({ ...report, output: `/a/${evil}`, notes: [evil], table }, more, 'en');
    assert.ok(!changed.includes('<img'));
    assert.ok(changed.includes('&#60;img src=x'));
  });

  test('without a task it has what there is', () => {
    const plain = resultHtml(sampleReport(false), { evaluations: [] }, 'en');
    assert.match(plain, /Nothing was evaluated/);
    assert.ok(!plain.includes('class="map"'));
    assert.doesNotMatch(plain, /NaN|undefined/);
  });
});

test('the Markdown has the table, the recommended row strong, and every hash', () => {
  const text = resultMarkdown(report, more, 'en');
  assert.match(text, /\| \*\*Plain average of 20\*\* \| \*\*0\.978 \\\[0\.961, 0\.992\\\]\*\*/);
  assert.match(text, /\*\*0\.9764\*\* `python evaluate\.py \{checkpoint\} --split test`/);
  for (const { sha256 } of report.provenance.sources) assert.ok(text.includes(sha256));
  assert.ok(text.includes(report.provenance.outputSha256));
});

describe('the command line', () => {
  const options = report.provenance.options!;
  const withOptions = (changed: Partial<typeof options>): AverageReport => ({
    ...report,
    provenance: { ...report.provenance, options: { ...options, ...changed } },
  });
  const after = (words: readonly string[], flag: string): string | undefined =>
    words.includes(flag) ? words[words.indexOf(flag) + 1] : undefined;

  test('names what differs from the defaults of the rule', () => {
    const words = commandLine(withOptions({ batchSize: 36, sparse: true, patience: 4 }), '/out.safetensors');
    assert.deepEqual(words.slice(0, 3), ['twa', 'average', report.provenance.sources[0]!.path]);
    assert.equal(after(words, '--rule'), 'v4');
    assert.equal(after(words, '--batch-size'), '36');
    assert.equal(after(words, '--learning-rate'), '0.005');
    assert.equal(after(words, '--task'), '/data/digits/twa.json');
    assert.equal(after(words, '--buffers'), 'recalibrate');
    assert.equal(after(words, '--seed'), '1');
    assert.ok(words.includes('--sparse'));
    assert.ok(!words.includes('--constraint') && !words.includes('--granularity'));
  });

  test('is refused where the report does not keep what the average began from', () => {
    assert.throws(
      () => commandLine(withOptions({ start: 'given' }), '/out'),
      (error) => error instanceof TwaError && error.code === 'unsupported',
    );
  });

  test('coefficients that begin with a minus are one word', () => {
    const manual: AverageReport = {
      ...report,
      method: 'manual',
      coefficients: [-0.5, 1.5],
      provenance: { ...report.provenance, options: undefined },
    };
    assert.ok(commandLine(manual, '/out').includes('--coefficients=-0.5,1.5'));
  });

  test('is quoted for the shell of the system', () => {
    const words = ['twa', "it's here/a b.pt", 'C:\\runs\\a.pt', 'plain/x-1.pt'];
    assert.equal(
      quoteWords(words, 'linux'),
      String.raw`twa 'it'\''s here/a b.pt' 'C:\runs\a.pt' plain/x-1.pt`,
    );
    assert.equal(quoteWords(words.slice(2), 'win32'), String.raw`C:\runs\a.pt plain/x-1.pt`);
    assert.equal(quoteWords(['a b'], 'win32'), '"a b"');
  });

  test('makes a file that is not there yet', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'twa-next-'));
    try {
      await writeFile(path.join(folder, 'twa-v4-2.safetensors'), '');
      await writeFile(path.join(folder, 'twa-v4-3.twa-report.json'), '');
      const next = await nextName(path.join(folder, 'twa-v4-1.safetensors'));
      assert.equal(path.basename(next), 'twa-v4-4.safetensors');
      assert.equal(path.basename(await nextName(path.join(folder, 'mine'))), 'mine-2');
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
