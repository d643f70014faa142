"""Templates that try to run code, which would create the file WITNESS, or to reach what code needs for that."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_RUN = "'touch WITNESS'"
_CODE = "\"__import__('os').system('touch WITNESS')\""

ESCAPES = [
    "{{ cycler.__init__.__globals__.os.system(RUN) }}",
    "{{ joiner.__init__.__globals__.os.system(RUN) }}",
    "{{ namespace.__init__.__globals__.os.system(RUN) }}",
    "{{ lipsum.__globals__.os.popen(RUN).read() }}",
    "{{ lipsum.__globals__['os'].popen(RUN).read() }}",
    "{{ self.__init__.__globals__.__builtins__.__import__('os').system(RUN) }}",
    "{{ self._TemplateReference__context.cycler.__init__.__globals__.os.system(RUN) }}",
    "{{ config.__class__.__init__.__globals__['os'].system(RUN) }}",
    "{{ request.application.__globals__.__builtins__.__import__('os').system(RUN) }}",
    "{{ url_for.__globals__.os.system(RUN) }}",
    "{{ get_flashed_messages.__globals__.os.system(RUN) }}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ ''.__class__.__base__.__subclasses__()[132].__init__.__globals__['system'](RUN) }}",
    "{% for c in [].__class__.__base__.__subclasses__() %}{% if 'wrap_close' in c.__name__ %}"
    "{{ c.__init__.__globals__['system'](RUN) }}{% endif %}{% endfor %}",
    "{{ (cycler|attr('__init__')|attr('__globals__')).os.system(RUN) }}",
    "{{ cycler|attr('_'*2~'init'~'_'*2)|attr('\\x5f\\x5fglobals\\x5f\\x5f') }}",
    "{{ [cycler]|map(attribute='__init__')|map(attribute='__globals__')|list }}",
    "{{ ([cycler]|map('attr', '__init__')|map('attr', '__globals__')|first).os.system(RUN) }}",
    "{{ [cycler]|map(attribute='__init__.__globals__.os')|first }}",
    "{{ [cycler]|groupby('__init__.__globals__')|list }}",
    "{{ [cycler]|sum('__init__.__globals__.os', start=[]) }}",
    "{{ '{0.__class__.__mro__}'.format('') }}",
    "{{ '{0.__init__.__globals__[os]}'.format(cycler) }}",
    "{{ '{x.__init__.__globals__}'.format_map({'x': cycler}) }}",
    "{{ ('{0.__init__.__globals__}'|attr('format'))(cycler) }}",
    "{{ (['{0.__init__.__globals__}']|map(attribute='format')|first)(cycler) }}",
    "{{ ['{0.__init__.__globals__}'.format]|map('attr', '__call__')|first }}",
    "{{ '%(x)s'|format(x=cycler.__init__.__globals__) }}",
    "{{ '%s' % cycler.__init__.__globals__ }}",
    "{{ (dict|attr('__mro__'))[1] }}",
    "{{ dict.mro()[-1].__subclasses__() }}",
    "{{ dict.fromkeys('abc').__class__ }}",
    "{{ range.__self__ }}{{ range.__globals__ }}",
    "{{ range(1).__class__.__base__.__subclasses__() }}",
    "{% set x = namespace() %}{{ x.__class__.__init__.__globals__ }}",
    "{% set x = namespace() %}{% set x.__class__ = dict %}{{ x.mro() }}",
    "{% macro m() %}{% endmacro %}{{ m._func.__globals__ }}",
    "{% macro m() %}{% endmacro %}{{ m._environment.globals }}",
    "{% macro m() %}{{ caller.__init__.__globals__ }}{% endmacro %}{% call m() %}{% endcall %}",
    "{% for x in [1] %}{{ loop.__init__.__globals__ }}{{ loop._undefined }}{% endfor %}",
    "{{ (undefined_name or x.__init__.__globals__) }}",
    "{{ undefined_name.__init__.__globals__.sys.modules.os.system(RUN) }}",
    "{{ (1).__class__.__base__.__subclasses__() }}",
    "{{ ''.join.__self__.__class__.__base__.__subclasses__() }}",
    "{{ (g for g in [1]).gi_frame.f_globals }}",
    "{{ ([1]|map('string')).gi_frame.f_builtins }}",
    "{{ ([1]|batch(1)).gi_frame.f_back.f_globals }}",
    "{{ ([1]|select).gi_code.co_consts }}",
    "{% import 'os' as os %}{{ os.system(RUN) }}",
    "{% include '/proc/self/environ' %}",
    "{% include '../../../../../../etc/passwd' %}",
    "{% extends '/etc/passwd' %}",
    "{% from '/etc/passwd' import x %}",
    "{% include ['/etc/passwd', 'etc/passwd'] %}",
    "{{ ''['__class__']['__base__'] }}",
    "{{ eval(CODE) }}{{ exec(CODE) }}{{ __import__('os') }}{{ open('WITNESS', 'w') }}",
    "{% set x = 'x'.__class__ %}{{ x.__base__ }}",
    "{{ [].append(1) }}",
    "{{ {}.update({'a': 1}) }}{{ {}.setdefault('a', 1) }}{{ {}.pop('a') }}",
    "{{ 'a'|map('__init__')|list }}",
    "{{ context }}{{ environment.globals }}{{ resolve('os') }}",
    "{{ vars.__class__ }}{{ vars.__init__.__globals__ }}",
    "{{ joiner('x').__call__.__func__.__globals__ }}",
    "{% block b %}{% endblock %}{{ self.b.__call__.__func__.__globals__ }}",
    "{% block b %}{{ super.__init__ }}{% endblock %}",
]  # fmt: skip


def aimed(escape: str, witness: Path) -> str:
    """The template that would create the given file."""
    return escape.replace("RUN", _RUN).replace("CODE", _CODE).replace("WITNESS", str(witness))
