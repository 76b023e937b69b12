/**
 * Names of Python code that no checkpoint needs and that run programs, load code or reach out of the process. Nothing
 * here is ever run; but a copy of such a file would be as dangerous to whoever loads it in Python as the file itself.
 * PyTorch's own loader blocks `sys`, `os`, `posix` and `nt`; the rest is what scanners of pickles look for.
 */
const MODULES = new Set(
  (
    'os posix nt sys subprocess commands popen2 pty shutil socket socketserver ssl ctypes _ctypes ' +
    'runpy imp importlib zipimport pkgutil pip pickle _pickle marshal code codeop pdb bdb timeit cProfile profile ' +
    'webbrowser http httplib urllib urllib2 requests aiohttp smtplib ftplib telnetlib asyncio signal threading _thread ' +
    'multiprocessing concurrent tempfile distutils venv ensurepip'
  ).split(' '),
);

const BUILTINS = new Set(
  'eval exec execfile compile open file input raw_input __import__ breakpoint apply delattr vars globals locals'.split(
    ' ',
  ),
);

const FUNCTIONS = new Set([
  'torch.load',
  'torch.hub.load',
  'torch.jit.load',
  'torch.serialization.load',
  'torch.utils.cpp_extension.load',
  'torch.utils.cpp_extension.load_inline',
  'numpy.load',
  'numpy.testing._private.utils.runstring',
  'operator.methodcaller',
  'types.CodeType',
  'types.FunctionType',
  'functools.reduce',
  'dill._dill._create_function',
  'dill._dill._create_code',
  'cloudpickle.cloudpickle._make_function',
  'cloudpickle.cloudpickle._builtin_type',
]);

/** @param name as `module.name`. */
export function isDangerous(name: string): boolean {
  const root = name.split('.', 1)[0]!;
  if (MODULES.has(root) || FUNCTIONS.has(name)) return true;
  return (root === 'builtins' || root === '__builtin__') && BUILTINS.has(name.slice(root.length + 1));
}
