process HAPLOSCRIBE_RUN {
    tag "$meta.id"
    label 'process_high'

    input:
    tuple val(meta), path(genes)
    tuple path(variants, stageAs: 'variants/*'), path(reference), path(index), path(expression), path(covariates)
    path store

    output:
    tuple val(meta), path("${prefix}"), emit: results
    path "${prefix}_mqc.json"         , emit: multiqc
    path 'versions.yml'               , emit: versions

    script:
    def args = task.ext.args ?: ''
    def corrected = covariates ? "--covariates $covariates" : ''
    def embedded = store ? "--store $store" : ''
    def part = genes ? "--genes $genes" : "--contig $meta.contig"
    prefix = task.ext.prefix ?: "${meta.id}"
    """
    haploscribe run $args \\
        --variants variants \\
        --reference $reference \\
        --expression $expression \\
        $corrected \\
        $part \\
        $embedded \\
        --jobs $task.cpus \\
        --out $prefix

    haploscribe report --results $prefix --multiqc ${prefix}_mqc.json

    cat <<-END_VERSIONS > versions.yml
    "${task.process}":
        haploscribe: \$(haploscribe --version | sed 's/.* //')
    END_VERSIONS
    """
}
