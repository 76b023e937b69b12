/** What the extension host calls: runs every bundled test file beside it and writes what they came to. */
import Mocha from 'mocha';
import { readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import * as vscode from 'vscode';
import { note, notes } from './notes.ts';

interface Summary {
  passed: number;
  failed: number;
  skipped: string[];
  failures: string[];
  notes: readonly string[];
}

/** `TWA_TEST_GREP='API' npm test host`: only what has this in its name, for whoever works on it. */
function only(): Mocha.MochaOptions {
  const grep = process.env['TWA_TEST_GREP'];
  return grep === undefined ? {} : { grep };
}

/** Prints nothing: the summary is the report. */
class Silent extends Mocha.reporters.Base {}

export function run(): Promise<void> {
  note(`in VS Code ${vscode.version} (${vscode.env.appHost}), Node ${process.versions.node}`);
  const mocha = new Mocha({ ui: 'bdd', timeout: 60_000, reporter: Silent, ...only() });
  for (const name of readdirSync(__dirname)
    .filter((name) => name.endsWith('.test.cjs'))
    .sort()) {
    mocha.addFile(path.join(__dirname, name));
  }
  const summary: Summary = { passed: 0, failed: 0, skipped: [], failures: [], notes };
  return new Promise((resolve, reject) => {
    mocha
      .run((failures) => {
        const file = process.env['TWA_TEST_SUMMARY'];
        if (file !== undefined) writeFileSync(file, JSON.stringify(summary));
        if (failures === 0) resolve();
        else reject(new Error(`${failures} tests failed:\n${summary.failures.join('\n')}`));
      })
      .on('pass', () => (summary.passed += 1))
      .on('pending', (test) => summary.skipped.push(test.fullTitle()))
      .on('fail', (test: Mocha.Runnable, error: Error) => {
        summary.failed += 1;
        summary.failures.push(`${test.fullTitle()}\n${error.stack ?? error.message}`);
      });
  });
}
