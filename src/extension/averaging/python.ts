/** How a task is run from the editor: a PyTorch one by which interpreter, in how many processes. */
import path from 'node:path';
import * as vscode from 'vscode';
import type { PytorchOptions } from '../../compute/protocol.ts';
import { readSetting } from '../api.ts';
import { activeInterpreter, PYTHON_EXTENSION, resolvePythonPath } from './pythonApi.ts';

/**
 * Undefined for a task that has none of these options. The interpreter is that of the setting, else the one chosen in the Python
 * extension; else the compute process looks for one. Only in a trusted workspace: whoever asks has made sure.
 */
export async function pytorchOptions(
  task: string,
  log: vscode.LogOutputChannel,
): Promise<PytorchOptions | undefined> {
  const { loadTask } = await import('../../core/task/load.ts');
  const { engine } = await loadTask(task);
  const resource = vscode.Uri.file(task);
  // Engine tfjs keeps checkpoints in the same ways.
  if (engine === 'tfjs') return { memory: readSetting('pytorchMemory', resource) };
  if (engine !== 'pytorch') return undefined;
  const folder = vscode.workspace.getWorkspaceFolder(resource)?.uri.fsPath ?? path.dirname(task);
  const python = await chosenPython(resource, folder, log);
  const processes = readSetting('pytorchProcesses', resource);
  return {
    ...(python === undefined ? {} : { python }),
    ...(processes > 1 ? { launcher: `torchrun --standalone --nproc_per_node ${processes}` } : {}),
    memory: readSetting('pytorchMemory', resource),
  };
}

/** By the setting, else in the Python extension; undefined where neither says anything. */
export async function chosenPython(
  resource: vscode.Uri,
  folder: string,
  log: vscode.LogOutputChannel,
): Promise<string | undefined> {
  const setting = readSetting('pythonPath', resource);
  return setting === '' ? await chosenInPythonExtension(resource, log) : resolvePythonPath(setting, folder);
}

async function chosenInPythonExtension(
  resource: vscode.Uri,
  log: vscode.LogOutputChannel,
): Promise<string | undefined> {
  const extension = vscode.extensions.getExtension<unknown>(PYTHON_EXTENSION);
  if (extension === undefined) return undefined;
  try {
    const exports = extension.isActive ? extension.exports : await extension.activate();
    return activeInterpreter(exports, resource);
  } catch (error) {
    // Its trouble need not be ours: there are other ways to find an interpreter.
    log.warn(`The Python extension does not tell its interpreter: ${String(error)}`);
    return undefined;
  }
}
