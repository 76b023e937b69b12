import assert from 'node:assert/strict';
import { test } from 'node:test';
import { activeInterpreter, resolvePythonPath } from '../../../src/extension/averaging/pythonApi.ts';

test('the interpreter chosen in the Python extension, for the file at hand', () => {
  const exports = {
    environments: {
      known: new Map([['a', '/venvs/a/bin/python']]),
      getActiveEnvironmentPath(resource: string) {
        return { id: resource, path: this.known.get(resource) ?? '' };
      },
    },
  };
  assert.equal(activeInterpreter(exports, 'a'), '/venvs/a/bin/python');
  assert.equal(activeInterpreter(exports, 'b'), undefined);
});

test('exports of a Python extension that we do not know are no interpreter', () => {
  for (const exports of [undefined, null, 3, {}, { environments: null }, { environments: {} }]) {
    assert.equal(activeInterpreter(exports, 'a'), undefined);
  }
  const odd = { environments: { getActiveEnvironmentPath: () => ({ path: 7 }) } };
  assert.equal(activeInterpreter(odd, 'a'), undefined);
});

test('the setting: a name in PATH, a path, and one in the workspace', () => {
  assert.equal(resolvePythonPath('python3.12', '/work'), 'python3.12');
  assert.equal(resolvePythonPath('/opt/venv', '/work'), '/opt/venv');
  assert.equal(resolvePythonPath('.venv/bin/python', '/work'), '/work/.venv/bin/python');
  assert.equal(resolvePythonPath('${workspaceFolder}/env', '/work'), '/work/env');
});
