/** What the Python extension knows (ms-python.python). Its exports are another extension's: `unknown` until narrowed. */
import path from 'node:path';

export const PYTHON_EXTENSION = 'ms-python.python';

/**
 * The interpreter, or the folder of the environment, that is chosen for a file or folder; undefined where none is, or
 * where the extension speaks another language than `environments.getActiveEnvironmentPath`, its stable API since 2023.
 *
 * @param resource a vscode.Uri
 */
export function activeInterpreter(exports: unknown, resource: unknown): string | undefined {
  const environments = fieldOf(exports, 'environments');
  const ask = fieldOf(environments, 'getActiveEnvironmentPath');
  if (typeof ask !== 'function') return undefined;
  const found: unknown = ask.call(environments, resource);
  const path = fieldOf(found, 'path');
  return typeof path === 'string' && path !== '' ? path : undefined;
}

/** `${workspaceFolder}` stands for the folder, and a relative path is relative to it; a bare name is for PATH. */
export function resolvePythonPath(setting: string, folder: string): string {
  const named = setting.replaceAll('${workspaceFolder}', folder);
  return /[/\\]/.test(named) ? path.resolve(folder, named) : named;
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && name in value
    ? (value as Readonly<Record<string, unknown>>)[name]
    : undefined;
}
