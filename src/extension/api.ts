/** Typed access to VS Code by the names of `names.ts`. */
import * as vscode from 'vscode';
import { COMMANDS, SETTINGS } from './names.ts';
import type { CommandHandlers, CommandId, ContextKeys, SettingName, Settings } from './names.ts';

/** Registers every command. What a handler throws goes to `onError`; the command itself never rejects. */
export function registerCommands(
  handlers: CommandHandlers,
  onError: (error: unknown, command: CommandId) => void,
): vscode.Disposable {
  const registrations = COMMANDS.map((id) =>
    vscode.commands.registerCommand(id, async (first: unknown, second: unknown) => {
      try {
        await handlers[id](first, second);
      } catch (error) {
        onError(error, id);
      }
    }),
  );
  return vscode.Disposable.from(...registrations);
}

export function setContext<Key extends keyof ContextKeys>(key: Key, value: ContextKeys[Key]): void {
  void vscode.commands.executeCommand('setContext', key, value);
}

/** `scope` is the workspace folder that asks, for settings that folders may set each for itself. */
export function readSetting<Name extends SettingName>(
  name: Name,
  scope?: vscode.ConfigurationScope,
): Settings[Name] {
  return SETTINGS[name](vscode.workspace.getConfiguration('twa', scope).get<unknown>(name));
}

export async function writeSetting<Name extends SettingName>(
  name: Name,
  value: Settings[Name],
  target: vscode.ConfigurationTarget,
  scope?: vscode.ConfigurationScope,
): Promise<void> {
  await vscode.workspace.getConfiguration('twa', scope).update(name, value, target);
}
