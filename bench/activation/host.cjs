// Runs inside the extension host: loads and activates the installed extension, and says how long that took. First it waits
// until the host has nothing else to do: what its own start and the page beside it cost is not ours.
const { performance } = require('node:perf_hooks');
const { setTimeout: sleep } = require('node:timers/promises');
const vscode = require('vscode');

exports.run = async () => {
  const extension = vscode.extensions.getExtension('twa.trainable-weight-averaging');
  if (extension === undefined) throw new Error('The extension is not installed.');
  if (extension.isActive) throw new Error('The extension is active already: the folder is not empty.');
  for (let quiet = 0, tries = 0; quiet < 4 && tries < 120; tries++) {
    const before = process.cpuUsage();
    await sleep(500);
    const { user, system } = process.cpuUsage(before);
    quiet = user + system < 15_000 ? quiet + 1 : 0;
  }
  const cpuStart = process.cpuUsage();
  const start = performance.now();
  await extension.activate();
  const wall = performance.now() - start;
  const { user, system } = process.cpuUsage(cpuStart);
  console.log(`ACTIVATION ${JSON.stringify({ wall, cpu: (user + system) / 1000 })}`);
};
