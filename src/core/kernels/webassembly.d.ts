/** What is used here of the WebAssembly JavaScript API, which TypeScript declares for browsers only. */
declare namespace WebAssembly {
  class Module {
    private readonly compiled: true;
    constructor(bytes: Uint8Array);
  }
  class Memory {
    /** In pages of 64 KiB. A shared memory needs a maximum. */
    constructor(size: { readonly initial: number; readonly maximum: number; readonly shared: true });
    readonly buffer: SharedArrayBuffer;
  }
  class Instance {
    constructor(module: Module, imports: { readonly env: { readonly memory: Memory } });
    readonly exports: Readonly<Record<string, (...operands: readonly number[]) => number>>;
  }
}
