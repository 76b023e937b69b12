// Runs inside the extension host: loads and activates the installed extension, and says how long that took.
const { performance } = require('node:perf_hooks');
const vscode = require('vscode');

exports.run = async () => {
  const extension = vscode.extensions.getExtension('twa.trainable-weight-averaging');
  if (extension === undefined) throw new Error('The extension is not installed.');
  if (extension.isActive) throw new Error('The extension is active already: the folder is not empty.');
  const cpuStart = process.cpuUsage();
  const start = performance.now();
  await extension.activate();
  const wall = performance.now() - start;
  const { user, system } = process.cpuUsage(cpuStart);
  console.log(`ACTIVATION ${JSON.stringify({ wall, cpu: (user + system) / 1000 })}`);
};
