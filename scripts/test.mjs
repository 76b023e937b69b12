// `npm test [level…]`: brings what the tests need, runs every level (or those named) and ends with one line of totals.
// Plain JavaScript that runs on Node 20; what it starts runs on Node 24.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { e2eLevel } from './levels/e2e.mjs';
import { hostLevel } from './levels/host.mjs';
import { staticLevel } from './levels/static.mjs';
import { failure, total } from './levels/summary.mjs';
import { unitLevel } from './levels/unit.mjs';
import { ensureTorch } from './python.mjs';
import {
  ensureChromium,
  ensureCodeServer,
  ensureDependencies,
  ensureNode,
  environmentWith,
  root,
} from './tools.mjs';

const LEVELS = {
  static: { title: 'Format, lint and types', run: staticLevel, editor: false },
  unit: { title: 'Unit tests', run: unitLevel, editor: false },
  host: { title: 'Tests inside the extension host', run: hostLevel, editor: true },
  e2e: { title: 'End-to-end tests in the workbench', run: e2eLevel, editor: true },
};

const names = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(LEVELS);
const unknown = names.filter((name) => !Object.hasOwn(LEVELS, name));
if (unknown.length > 0) {
  console.error(`No such level: ${unknown.join(', ')}. There are ${Object.keys(LEVELS).join(', ')}.`);
  process.exit(2);
}

/** Everything that the tests leave lying about goes here, and with it. */
const temporary = mkdtempSync(path.join(tmpdir(), 'twa-test-'));
process.on('exit', () => rmSync(temporary, { recursive: true, force: true, maxRetries: 3 }));
/** What a person may want to look at afterwards: screenshots and logs. */
const output = path.join(root, 'test-output');
mkdirSync(output, { recursive: true });

let environment;
const summaries = [];
try {
  environment = await prepare(names.some((name) => LEVELS[name].editor));
  // It comes while the static checks run, which do without.
  const torch = names.includes('unit') || names.includes('e2e') ? ensureTorch() : undefined;
  for (const name of names) summaries.push(await runLevel(LEVELS[name], torch));
} catch (error) {
  console.error(messageOf(error));
  summaries.push(failure(''));
}
const { passed, failed, skipped } = total(summaries);
console.log(`${passed} passed, ${failed} failed, ${skipped.length} skipped`);
process.exitCode = failed > 0 ? 1 : 0;

async function prepare(editor) {
  await ensureDependencies();
  const own = { ...environmentWith(await ensureNode()), TMPDIR: temporary };
  if (!editor) return own;
  return { ...own, TWA_CODE_SERVER: await ensureCodeServer(), TWA_CHROMIUM: await ensureChromium() };
}

async function runLevel({ title, run }, torch) {
  console.log(title);
  const start = Date.now();
  let summary;
  try {
    summary = await run({ environment, temporary, output, torch });
    if (summary.passed + summary.failed === 0) summary = total([summary, failure('No test ran.')]);
  } catch (error) {
    summary = failure(messageOf(error));
  }
  for (const text of summary.failures) console.log(`\nFAILED ${text}\n`);
  for (const name of summary.skipped) console.log(`  skipped: ${name}`);
  for (const note of summary.notes) console.log(`  ${note}`);
  const seconds = ((Date.now() - start) / 1000).toFixed(0);
  console.log(`  ${summary.passed} passed, ${summary.failed} failed in ${seconds} s`);
  return summary;
}

function messageOf(error) {
  return error instanceof Error ? error.message : String(error);
}
