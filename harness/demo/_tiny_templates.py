"""The tiny models' chat templates: each in its family's form, the words our own.

All take a message's content as a string or as a list of `{"type": "image"}` and
`{"type": "text", "text": ...}`, and mark what an assistant wrote, with its end-of-turn token,
as `{% generation %}` for loss masks.
"""

_CONTENT = """
    {%- set content -%}
        {%- if message['content'] is string -%}
            {{- message['content'] -}}
        {%- else -%}
            {%- for part in message['content'] -%}
                {%- if part['type'] == 'image' -%}
                    {{- IMAGE -}}
                {%- elif part['type'] == 'text' -%}
                    {{- part['text'] -}}
                {%- else -%}
                    {{- raise_exception('Only images and texts are known, not ' + part['type']) -}}
                {%- endif -%}
            {%- endfor -%}
        {%- endif -%}
    {%- endset -%}
"""

_CHATML = (
    """\
{%- for message in messages -%}
    {%- if loop.first and message['role'] != 'system' -%}
        {{- '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' -}}
    {%- endif -%}"""
    + _CONTENT
    + """
    {{- '<|im_start|>' + message['role'] + '\\n' -}}
    {%- if message['role'] == 'assistant' -%}
        {%- generation -%}
            {{- content + '<|im_end|>' -}}
        {%- endgeneration -%}
    {%- else -%}
        {{- content + '<|im_end|>' -}}
    {%- endif -%}
    {{- '\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- '<|im_start|>assistant\\n' -}}
{%- endif -%}
"""
)

_HEADERS = (
    """
{%- for message in messages -%}"""
    + _CONTENT
    + """
    {%- if not (loop.first and message['role'] == 'system' and first_turn_is_written) -%}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' -}}
    {%- endif -%}
    {%- if message['role'] == 'assistant' -%}
        {%- generation -%}
            {{- content + '<|eot_id|>' -}}
        {%- endgeneration -%}
    {%- else -%}
        {{- content + '<|eot_id|>' -}}
    {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' -}}
{%- endif -%}
"""
)

_DATED_SYSTEM_TURN = """\
{%- if date_string is not defined -%}
    {%- set date_string = strftime_now('%d %b %Y') -%}
{%- endif -%}
{%- set first_turn_is_written = true -%}
{{- bos_token + '<|start_header_id|>system<|end_header_id|>\\n\\n' -}}
{{- 'Today is ' + date_string + '.\\n\\n' -}}
{%- if not messages or messages[0]['role'] != 'system' -%}
    {{- '<|eot_id|>' -}}
{%- endif -%}"""

QWEN2_VL = _CHATML.replace("IMAGE", "'<|vision_start|><|image_pad|><|vision_end|>'")
"""Adds a default system turn where the messages have none."""

LLAVA_NEXT = ("{%- set first_turn_is_written = false -%}" + _HEADERS).replace(
    "IMAGE", "'<image>\\n'"
)
"""Llama 3 headers without the first token: the tokenizer adds that."""

MLLAMA = (_DATED_SYSTEM_TURN + _HEADERS).replace("IMAGE", "'<|image|>'")
"""Prints the day in its system turn: `date_string`, or today's date where none is given."""
