# bash completion for pregao, as `pregao completion bash` prints it: the tables below come from the program's own.
@TABLES@
_pregao()
{
	local cur=${COMP_WORDS[COMP_CWORD]} so_far='' option='' answers word i
	for ((i = 1; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		if [[ -n $option ]]; then
			# bash makes three words of --name=value
			[[ $word == '=' ]] || option=''
			continue
		fi
		case $word in
		'=' | ':') ((i++)) ;;
		-*) ! _pregao_wants_value "$word" || option=$word ;;
		*) so_far="${so_far:+$so_far }$word" ;;
		esac
	done
	[[ $cur != '=' ]] || cur=''
	if [[ -n $option ]]; then
		answers=$(_pregao_values "$so_far" "$option")
	elif [[ $cur == -* ]]; then
		answers=$(_pregao_options "$so_far")
	else
		answers=$(_pregao_words "$so_far")
	fi
	COMPREPLY=()
	for word in $answers; do
		case $word in
		@file | @folder)
			compopt -o filenames 2>/dev/null
			while IFS= read -r word; do
				COMPREPLY+=("$word")
			done < <(compgen -"$([[ $word == @file ]] && echo f || echo d)" -- "$cur") ;;
		"$cur"*) COMPREPLY+=("$word") ;;
		esac
	done
}
complete -F _pregao pregao
