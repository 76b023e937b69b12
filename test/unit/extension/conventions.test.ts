/** Conventions that can be read off the sources: docs/conventions.md lists all of them, with their checks. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { glob } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import manifest from '../../../package.json' with { type: 'json' };
import nls from '../../../package.nls.json' with { type: 'json' };
import { settingsPage, settingsText } from '../../../scripts/settings.ts';

const root = path.resolve(import.meta.dirname, '../../..');
const read = (file: string): string => readFileSync(path.join(root, file), 'utf8');
const { contributes } = manifest;
const texts = new Map<string, string>(Object.entries(nls));
const text = (key: string): string => texts.get(key.replaceAll('%', '')) ?? '';

async function sources(...patterns: readonly string[]): Promise<string> {
  let all = '';
  for await (const file of glob(patterns, { cwd: root })) all += read(file);
  return all;
}

test('every check that docs/conventions.md names is there, and every page of docs/ is in its index', () => {
  const links = (page: string): string[] =>
    [...read(page).matchAll(/\]\(([^)\s]+)\)/g)]
      .map(([, link]) => link!.split('#')[0]!)
      .filter((link) => link !== '' && !link.startsWith('https:'))
      .map((link) => path.join('docs', link));
  for (const page of readdirSync(path.join(root, 'docs')).filter((name) => name.endsWith('.md'))) {
    for (const link of links(`docs/${page}`))
      assert.ok(existsSync(path.join(root, link)), `${page}: ${link}`);
    assert.ok(
      page === 'README.md' || links('docs/README.md').includes(`docs/${page}`),
      `${page} is in the index`,
    );
  }
});

test('one view container with few views', () => {
  assert.equal(contributes.viewsContainers.activitybar.length, 1);
  assert.ok(Object.values(contributes.views).flat().length <= 5);
});

test('commands have one category and titles in title case', () => {
  const small = new Set([
    'a',
    'an',
    'and',
    'but',
    'for',
    'from',
    'in',
    'of',
    'on',
    'or',
    'the',
    'to',
    'with',
    'k-th',
    'my',
  ]);
  /** Names keep their own letters. */
  const names = new Set(['safetensors']);
  for (const { command, title, category } of contributes.commands) {
    assert.equal(category, 'TWA', command);
    for (const [i, word] of text(title)
      .replaceAll(/[^\p{L} -]/gu, '')
      .split(' ')
      .entries()) {
      if (names.has(word) || (i > 0 && small.has(word)) || word === '') continue;
      assert.match(word, /^\p{Lu}/u, `${command}: ${text(title)}`);
    }
  }
});

test('it runs where the files are, and says why not elsewhere', () => {
  assert.deepEqual(manifest.extensionKind, ['workspace']);
  const { untrustedWorkspaces, virtualWorkspaces } = manifest.capabilities;
  assert.equal(virtualWorkspaces.supported, false);
  assert.equal(untrustedWorkspaces.supported, 'limited');
  for (const { description } of [untrustedWorkspaces, virtualWorkspaces])
    assert.ok(text(description).length > 40);
});

test('settings that say what to run, or where to look, are restricted; every one has a scope', () => {
  const properties: Readonly<Record<string, { readonly scope?: string }>> =
    contributes.configuration.properties;
  const { restrictedConfigurations } = manifest.capabilities.untrustedWorkspaces;
  for (const [name, { scope }] of Object.entries(properties)) {
    assert.ok(scope !== undefined, `${name} has a scope`);
    if (/(path|command|folders)$/i.test(name)) assert.ok(restrictedConfigurations.includes(name), name);
  }
});

test('the page about settings is as package.json says: `node scripts/settings.ts` writes it', () => {
  assert.equal(readFileSync(settingsPage, 'utf8'), settingsText());
});

test('one log channel; webviews keep no hidden pages alive', async () => {
  const code = await sources('src/extension/**/*.ts');
  const channels = [...code.matchAll(/createOutputChannel\(([^;]*)/g)];
  assert.equal(channels.length, 1);
  assert.match(channels[0]![1]!, /\{ log: true \}/);
  assert.doesNotMatch(code, /retainContextWhenHidden/);
  assert.equal([...code.matchAll(/localResourceRoots/g)].length, 1, 'one place says what pages may load');
});

test('nothing is sent anywhere: no telemetry, no requests', async () => {
  const code = await sources('src/core/**/*.ts', 'src/extension/**/*.ts', 'webview/**/*.ts');
  for (const name of [
    /\bfetch\(/,
    /XMLHttpRequest/,
    /\bWebSocket\b/,
    /sendBeacon/,
    /createTelemetryLogger|extension-telemetry/,
    /from '(node:)?(http|https|http2|net|tls|dgram|dns)'/,
  ])
    assert.doesNotMatch(code, name);
});

test('what the Marketplace shows is there', () => {
  assert.match(manifest.icon, /\.png$/);
  assert.deepEqual(manifest.categories, ['Machine Learning', 'Data Science', 'Visualization']);
  for (const file of ['README.md', 'CHANGELOG.md', 'LICENSE', 'SUPPORT.md', 'SECURITY.md']) {
    assert.ok(read(file).length > 500, file);
  }
  const pictures = [...read('README.md').matchAll(/!\[[^\]]+\]\(([^)]+)\)/g)].map(([, file]) => file!);
  assert.ok(pictures.length > 0);
  for (const picture of pictures) assert.ok(existsSync(path.join(root, picture)), picture);
});
