import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';

/** A directory of its own for a test, with these files in it; gone when the test is over. */
export function directoryWith(
  context: TestContext,
  files: Readonly<Record<string, string | Uint8Array>> = {},
): string {
  const directory = mkdtempSync(path.join(tmpdir(), 'twa-test-'));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files)) {
    const file = path.join(directory, name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, content);
  }
  return directory;
}
