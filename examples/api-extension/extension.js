// @ts-check
// Everything that Trainable Weight Averaging offers to other extensions. Plain JavaScript: nothing to build.
const path = require('node:path');
const vscode = require('vscode');

/** @param {vscode.ExtensionContext} context */
exports.activate = async (context) => {
  /** @type {vscode.Extension<import('../../api/twa.d.ts').TwaExports> | undefined} */
  const twa = vscode.extensions.getExtension('twa.trainable-weight-averaging');
  if (twa === undefined) throw new Error('Trainable Weight Averaging is not installed.');
  const api = (await twa.activate()).getApi(1);

  // What is registered here is gone when this extension is disabled.
  context.subscriptions.push(
    await api.registerCheckpointFormat({
      id: 'twa-example.weights',
      module: context.asAbsolutePath('format.mjs'),
    }),
    await api.registerMetricsSource({
      id: 'twa-example.log',
      module: context.asAbsolutePath('metrics.mjs'),
    }),
    await api.registerEngine({
      id: 'twa-example.softmax',
      module: context.asAbsolutePath('engine.mjs'),
    }),
    vscode.commands.registerCommand('softmax.average', averageFolder),
  );

  /**
   * From the Explorer or another extension with a folder, from the palette without.
   * @param {vscode.Uri} [given]
   */
  async function averageFolder(given) {
    const [folder] =
      given === undefined
        ? ((await vscode.window.showOpenDialog({ canSelectFolders: true, canSelectFiles: false })) ?? [])
        : [given];
    if (folder === undefined) return undefined;
    // The project of runs/NAME.
    const project = path.dirname(path.dirname(folder.fsPath));
    const [task] = await vscode.workspace.findFiles(new vscode.RelativePattern(project, 'twa.json'));
    const result = await api.average({
      checkpoints: [folder.fsPath],
      ...(task === undefined ? { method: 'uniform' } : { method: 'twa', task: task.fsPath }),
    });
    void vscode.window.showInformationMessage(`${path.basename(result.output)}: ${result.recommendation}`);
    return result;
  }
};
