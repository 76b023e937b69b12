import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { glob } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { bundlePath, collectStrings } from '../../../scripts/strings.ts';
import { candidateFor } from '../../../src/core/checkpoints/registry.ts';
import { COMMANDS, RUNS_VIEW, SETTINGS, TENSOR_EDITORS, TENSOR_FILES } from '../../../src/extension/names.ts';
import type { ViewItem } from '../../../src/extension/names.ts';
import manifest from '../../../package.json' with { type: 'json' };
import nls from '../../../package.nls.json' with { type: 'json' };

const root = path.resolve(import.meta.dirname, '../../..');
const { contributes } = manifest;
const sorted = (values: Iterable<string>): string[] => [...new Set(values)].sort();
const declared = contributes.commands.map(({ command }) => command);

/** Every text of our sources, with comments: good enough to find a name in. */
async function sources(pattern: string): Promise<string> {
  let all = '';
  for await (const file of glob(pattern, { cwd: root })) all += readFileSync(path.join(root, file), 'utf8');
  return all;
}

test('every declared command has a handler and every handler is declared', () => {
  // That each of COMMANDS is registered, the compiler holds: `CommandHandlers` is a record over them.
  assert.deepEqual(sorted(declared), sorted(COMMANDS));
  assert.equal(new Set(declared).size, declared.length, 'no command is declared twice');
});

test('menus, key bindings and welcome texts refer to declared commands only', () => {
  const submenus = contributes.submenus.map(({ id }) => id);
  const places: string[] = Object.keys(contributes.menus);
  for (const submenu of submenus) assert.ok(places.includes(submenu), `${submenu} has entries`);
  const entries: { command?: string; submenu?: string }[] = Object.values(contributes.menus).flat();
  const used = [
    ...entries.flatMap(({ command }) => command ?? []),
    ...contributes.keybindings.map(({ command }) => command),
    ...[...JSON.stringify(nls).matchAll(/command:(twa\.\w+)\)/g)].flatMap(([, id]) => id ?? []),
  ];
  for (const id of used) assert.ok(declared.includes(id), `${id} is used and not declared`);
  for (const { submenu } of entries) {
    if (submenu !== undefined) assert.ok(submenus.includes(submenu), `${submenu} is used and not declared`);
  }
});

test('every nls key that the manifest uses exists, and none is left over', () => {
  const used = [...JSON.stringify(manifest).matchAll(/"%([^%"]+)%"/g)].flatMap(([, key]) => key ?? []);
  assert.deepEqual(sorted(used), sorted(Object.keys(nls)));
});

test('no text stands in the manifest untranslatable', () => {
  const texts = [
    ...contributes.commands.map(({ title }) => title),
    ...contributes.customEditors.map(({ displayName }) => displayName),
    ...contributes.viewsWelcome.map(({ contents }) => contents),
    ...Object.values(contributes.configuration.properties).map((p) => p.markdownDescription),
  ];
  for (const text of texts) assert.match(text, /^%.*%$/);
});

test('every setting has a reader of the same name, is read somewhere, and its default passes the reader', async () => {
  const properties: Record<string, { default: unknown }> = contributes.configuration.properties;
  assert.deepEqual(
    sorted(Object.keys(properties)),
    sorted(Object.keys(SETTINGS).map((name) => `twa.${name}`)),
  );
  const code = await sources('src/extension/**/*.ts');
  for (const [name, reader] of Object.entries(SETTINGS)) {
    assert.ok(code.includes(`readSetting('${name}'`), `twa.${name} is read`);
    assert.deepEqual(reader(properties[`twa.${name}`]?.default), properties[`twa.${name}`]?.default);
  }
});

test('a setting of the wrong type falls back instead of breaking what reads it', () => {
  assert.equal(SETTINGS.polling('sometimes'), 'auto');
  assert.equal(SETTINGS.backend(7), 'auto');
  assert.deepEqual(SETTINGS.watchFolders('runs'), []);
  assert.deepEqual(SETTINGS.watchFolders(['runs', 3, '', null]), ['runs']);
  assert.equal(SETTINGS.metric(null), '');
  assert.equal(SETTINGS.autoDetect('no'), true);
});

test('the choices of a setting are the ones that its reader knows', () => {
  const { 'twa.polling': polling, 'twa.backend': backend } = contributes.configuration.properties;
  for (const choice of polling.enum) assert.equal(SETTINGS.polling(choice), choice);
  for (const choice of backend.enum) assert.equal(SETTINGS.backend(choice), choice);
  assert.equal(polling.enum.length, polling.enumDescriptions.length);
  assert.equal(backend.enum.length, backend.enumDescriptions.length);
});

test('context keys in when clauses are set by the code, and the view in them is ours', async () => {
  const entries: { when?: string }[] = [
    ...Object.values(contributes.menus).flat(),
    ...contributes.keybindings,
    ...contributes.viewsWelcome,
  ];
  const clauses = entries.map(({ when }) => when ?? '').join('\n');
  // The curves panel is asked for by VS Code's own key.
  const used = sorted(clauses.match(/\btwa\.(?!curves')\w+/g) ?? []);
  assert.deepEqual(used, ['twa.averaging', 'twa.filtered', 'twa.keepsAveraged', RUNS_VIEW, 'twa.scanning']);
  assert.ok(contributes.views.twa.some(({ id }) => id === RUNS_VIEW));
  const code = await sources('src/extension/**/*.ts');
  for (const key of ['twa.averaging', 'twa.filtered', 'twa.keepsAveraged', 'twa.scanning']) {
    assert.ok(code.includes(`setContext('${key}'`), `${key} is set`);
  }
  const items = sorted(
    [...clauses.matchAll(/viewItem (?:== (\w+)|=~ \/\^\((.*?)\)\$\/)/g)].flatMap(
      ([, one, many]) => one ?? many?.split('|') ?? [],
    ),
  );
  const known: ViewItem[] = ['average', 'checkpoint', 'incomplete', 'job', 'run'];
  assert.deepEqual(items, known);
});

test('what needs trust is hidden without it everywhere', () => {
  const guarded = [
    'twa.average',
    'twa.averageUniformly',
    'twa.averageAgain',
    'twa.keepAveraged',
    'twa.moveToTrash',
    'twa.trashAllButBest',
    'twa.createTaskFile',
    'twa.convert',
    'twa.watchFolder',
    'twa.showDevices',
  ];
  const entries: { command?: string; when?: string }[] = [
    ...Object.values(contributes.menus).flat(),
    ...contributes.keybindings,
  ];
  for (const id of guarded) {
    const uses = entries.filter(({ command }) => command === id);
    assert.ok(uses.length > 0);
    for (const { when } of uses) assert.match(when ?? '', /isWorkspaceTrusted/, `${id}: ${when ?? 'always'}`);
  }
});

test('the editors of tensors open the files of the one list', () => {
  for (const priority of ['default', 'option'] as const) {
    const editor = contributes.customEditors.find(({ viewType }) => viewType === TENSOR_EDITORS[priority]);
    assert.equal(editor?.priority, priority);
    assert.deepEqual(
      editor.selector.map(({ filenamePattern }) => filenamePattern),
      TENSOR_FILES[priority],
    );
  }
});

// Names that training programs give. Whatever of them is a checkpoint here must open as one.
for (const name of [
  ...['model.safetensors', 'model-00001-of-00002.safetensors', 'model.safetensors.index.json'],
  ...['last.pt', 'model.pth', 'epoch=3.ckpt', 'last.pth.tar', 'pytorch_model.bin'],
  ...['model.keras', 'epoch-1.weights.h5', 'model.hdf5', 'weights.npz', 'flax_model.msgpack', 'model.json'],
  ...['ckpt-7.index', 'model.ckpt-1000.index', 'saved_model.pb'],
]) {
  test(`${name}, if it is a checkpoint, opens in an editor and from the Explorer's menu`, () => {
    if (candidateFor(`/run/${name}`) === undefined) return;
    const opens = Object.values(TENSOR_FILES)
      .flat()
      .some((pattern) => path.matchesGlob(name, pattern));
    assert.ok(opens, 'an editor');
    for (const command of ['twa.average', 'twa.averageUniformly', 'twa.openTensors', 'twa.compareTensors']) {
      const when = contributes.menus['explorer/context'].find((entry) => entry.command === command)?.when;
      const [, names] = /^(?:isWorkspaceTrusted && )?resourceFilename =~ \/(.+)\/$/.exec(when ?? '') ?? [];
      assert.match(name, new RegExp(names ?? 'no clause'), command);
    }
  });
}

test('a file that is something else is not offered as a checkpoint', () => {
  const clauses = contributes.menus['explorer/context'].filter(
    ({ command }) => command === 'twa.openTensors',
  );
  const [, names] = /\/(.+)\/$/.exec(clauses[0]?.when ?? '') ?? [];
  for (const name of ['firmware.bin', 'package.json', 'my-model.json', 'script.py', 'notes.ptx']) {
    assert.doesNotMatch(name, new RegExp(names!));
  }
});

/** As globs below the workspace folder. */
function activationPatterns(): readonly string[] {
  return manifest.activationEvents.flatMap((event) => /^workspaceContains:(.+)$/.exec(event)?.[1] ?? []);
}

test('the extension never starts with every window', () => {
  for (const event of manifest.activationEvents)
    assert.match(event, /^(workspaceContains:[\w.*/-]+|onWebviewPanel:[\w.]+)$/);
  // A pattern that every project has a file for would come to the same.
  const patterns = activationPatterns();
  for (const name of ['package.json', 'src/index.ts', 'README.md', '.venv/lib/site-packages/distutils.pth']) {
    for (const pattern of patterns) assert.ok(!path.matchesGlob(name, pattern), `${name}: ${pattern}`);
  }
});

// Where training programs write by default, with a directory or file that says so.
for (const name of [
  ...['model.safetensors', 'out/checkpoint-500/model.safetensors', 'out/checkpoint-500/trainer_state.json'],
  ...['lightning_logs', 'a/epoch=3-step=30.ckpt', 'runs', 'a/b/events.out.tfevents.17', 'ckpt/epoch-1.pt'],
  ...['models/best.keras', 'models/epoch-1.weights.h5', 'flax_model.msgpack', 'tf/ckpt-7.index', 'wandb'],
]) {
  test(`a workspace with ${name} shows its runs by itself`, () => {
    assert.ok(activationPatterns().some((pattern) => path.matchesGlob(name, pattern)));
  });
}

test('steps of the walkthrough are done by doing, not by looking at them', async () => {
  const [walkthrough] = contributes.walkthroughs;
  assert.equal(walkthrough?.steps.length, 4);
  const code = await sources('src/extension/**/*.ts');
  const pictures = new Set<string>();
  for (const { completionEvents, media } of walkthrough.steps) {
    pictures.add(media.svg);
    for (const event of completionEvents) {
      const [, kind, name] = /^(onContext|onCommand):(.+)$/.exec(event) ?? [];
      if (kind === 'onCommand') assert.ok(declared.includes(name!), event);
      else assert.ok(code.includes(`setContext('${name}'`) || code.includes(`'${name}',\n`), event);
    }
  }
  assert.equal(pictures.size, 4, 'each has a picture of its own');
});

test('files that the manifest names are there', () => {
  const files = [
    manifest.icon,
    ...contributes.viewsContainers.activitybar.map(({ icon }) => icon),
    ...contributes.jsonValidation.map(({ url }) => url),
    ...contributes.walkthroughs.flatMap(({ steps }) => steps.map(({ media }) => media.svg)),
  ];
  for (const file of files) assert.ok(readFileSync(path.join(root, file)).length > 0, file);
});

test('the bundle for translators holds every text: `node scripts/strings.ts` writes it', async () => {
  assert.equal(readFileSync(bundlePath, 'utf8'), await collectStrings());
});
