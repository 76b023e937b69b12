// Runs inside the page, before its own script: plays the part of VS Code there. Plain script, put in by open.ts.

window.host = {
  sent: [],

  /** The editor's API. State lives in the tab, under a key per panel, so that it survives a reload. */
  begin(key, theme) {
    this.setTheme(theme);
    window.acquireVsCodeApi = () => ({
      postMessage: (message) => this.sent.push(message),
      getState: () => JSON.parse(sessionStorage.getItem(key) ?? 'null') ?? undefined,
      setState: (state) => sessionStorage.setItem(key, JSON.stringify(state)),
    });
  },

  setTheme({ className, variables }) {
    document.documentElement.removeAttribute('style');
    for (const [name, value] of Object.entries(variables)) {
      document.documentElement.style.setProperty(`--vscode-${name}`, value);
    }
    document.body.className = className;
  },

  /** A message of the host. Resolves when the page has drawn it: it draws in the next frame. */
  async deliver(packed) {
    const message = JSON.parse(packed, (_, value) => {
      if (value?.$float64 === undefined) return value;
      const bytes = Uint8Array.from(atob(value.$float64), (letter) => letter.charCodeAt(0));
      return new Float64Array(bytes.buffer);
    });
    // The page listens since it was loaded, so it has the message before this does.
    const taken = new Promise((resolve) => window.addEventListener('message', resolve, { once: true }));
    window.postMessage(message, '*');
    await taken;
    await this.drawn();
  },

  async drawn() {
    for (let frame = 0; frame < 2; frame++) await new Promise((resolve) => requestAnimationFrame(resolve));
  },
};
