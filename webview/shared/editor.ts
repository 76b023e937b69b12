import { recordOf, string } from './narrow.ts';

export { fill } from './fill.ts';

/** The page's line to the extension host. */
interface VsCodeApi {
  postMessage(message: unknown): void;
  getState(): unknown;
  setState(state: unknown): void;
}
declare function acquireVsCodeApi(): VsCodeApi;

export interface Editor<From, State> {
  send(message: From): void;
  state(): unknown;
  remember(state: State): void;
  /** Calls for every message that the host sends and `read` understands; others are reported and dropped. */
  listen<To>(read: (message: unknown) => To | undefined, listener: (message: To) => void): void;
}

/** Once per page. Errors of the page from now on go to the extension's log. */
export function connect<From extends { readonly kind: string }, State>(): Editor<From, State> {
  const api = acquireVsCodeApi();
  const defect = (text: string): void => api.postMessage({ kind: 'defect', text: text.slice(0, 8000) });
  window.addEventListener('error', ({ message, filename, lineno }) =>
    defect(`${message} (${filename}:${lineno})`),
  );
  window.addEventListener('unhandledrejection', ({ reason }: { readonly reason: unknown }) =>
    defect(String(reason)),
  );
  return {
    send: (message) => api.postMessage(message),
    state: () => api.getState(),
    remember: (state) => api.setState(state),
    listen: (read, listener) =>
      window.addEventListener('message', ({ data }: MessageEvent<unknown>) => {
        const message = read(data);
        if (message === undefined) defect('A message of the host was not understood.');
        else listener(message);
      }),
  };
}

/** The page's texts, as the host put them into the page. */
export function readStrings(): Readonly<Record<string, string>> {
  const content = document.querySelector<HTMLMetaElement>('meta[name="twa-strings"]')?.content;
  return recordOf(string)(JSON.parse(content ?? '{}'));
}

/** Calls at most once per frame, however often it is asked. */
export function oncePerFrame(callback: () => void): () => void {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      callback();
    });
  };
}
