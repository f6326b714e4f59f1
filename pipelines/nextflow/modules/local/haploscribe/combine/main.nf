process HAPLOSCRIBE_COMBINE {
    label 'process_single'

    input:
    path runs

    output:
    path "${prefix}"         , emit: results
    path "${prefix}_mqc.json", emit: multiqc
    path 'versions.yml'      , emit: versions

    script:
    def args = task.ext.args ?: ''
    prefix = task.ext.prefix ?: 'combined'
    """
    haploscribe combine $args \\
        $runs \\
        --out $prefix

    haploscribe report --results $prefix --multiqc ${prefix}_mqc.json

    cat <<-END_VERSIONS > versions.yml
    "${task.process}":
        haploscribe: \$(haploscribe --version | sed 's/.* //')
    END_VERSIONS
    """
}
